import type { Clock } from '@jobistemer/core'

/** A destination of text. */
export interface Output {
  /** Writes text to the output. The program ignores the return value. */
  write(text: string): unknown
  /** Whether the output is a terminal. */
  readonly isTTY?: boolean | undefined
  /** The width of the terminal in characters; `undefined` if the output is not a terminal. */
  readonly columns?: number | undefined
}

/** A source of text. */
export interface Input extends AsyncIterable<Uint8Array | string> {
  /** Stops reading from the input. */
  destroy?(): unknown
  /** Whether the input is a terminal. */
  readonly isTTY?: boolean | undefined
}

/** The streams, environment variables and folders that the program uses. Tests replace all of these objects. */
export interface Io {
  /** Standard input: the data of `--data @-`, and answers to questions. */
  readonly stdin: Input
  /** Standard output: receives the result of the command. */
  readonly stdout: Output
  /** Standard error: receives errors, questions and progress. */
  readonly stderr: Output
  /** The environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The absolute path of the working folder. */
  readonly cwd: string
  /** The clock of the program. Default: this machine's clock. */
  readonly clock?: Clock
  /** Calls the listener when the user presses Ctrl-C. The returned function removes the listener. */
  onInterrupt(listener: () => void): () => void
}

/** Returns the `Io` of this process. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    onInterrupt(listener) {
      // A second Ctrl-C finds no listener and ends the process at once.
      process.once('SIGINT', listener)
      return () => process.off('SIGINT', listener)
    },
  }
}
