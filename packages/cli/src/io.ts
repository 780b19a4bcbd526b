import type { Clock } from '@jobistemer/core'

/** Where text goes to. */
export interface Output {
  /** Writes text. The program ignores the return value. */
  write(text: string): unknown
  /** Whether people read it as it is written. */
  readonly isTTY?: boolean | undefined
  /** Its width in characters, where it has one. */
  readonly columns?: number | undefined
}

/** Where text comes from. */
export interface Input extends AsyncIterable<Uint8Array | string> {
  /** Nothing more is read. */
  destroy?(): unknown
  /** Whether the input is a terminal. */
  readonly isTTY?: boolean | undefined
}

/** The environment of the program. */
export interface Io {
  /** Where `--data @-` and answers to questions come from. */
  readonly stdin: Input
  /** Receives the result of the command. */
  readonly stdout: Output
  /** Receives errors, questions and progress. */
  readonly stderr: Output
  /** The environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The working folder. */
  readonly cwd: string
  /** Default: the machine's. */
  readonly clock?: Clock
  /** Calls the listener at Ctrl-C. The returned function removes the listener. */
  onInterrupt(listener: () => void): () => void
}

/** That of a process. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    onInterrupt(listener) {
      // `once`: a second Ctrl-C ends the process immediately.
      process.once('SIGINT', listener)
      return () => process.off('SIGINT', listener)
    },
  }
}
