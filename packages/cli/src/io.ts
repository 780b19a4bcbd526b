import type { Clock } from '@jobistemer/core'

/** Where text goes to. */
export interface Output {
  /** Takes more text. What it returns is not looked at. */
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
  /** Whether somebody types it. */
  readonly isTTY?: boolean | undefined
}

/** Everything that the program has from outside. */
export interface Io {
  /** Where `--data @-` and answers to questions come from. */
  readonly stdin: Input
  /** For what was asked for. */
  readonly stdout: Output
  /** For errors, questions and progress. */
  readonly stderr: Output
  /** The environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The working folder. */
  readonly cwd: string
  /** Default: the machine's. */
  readonly clock?: Clock
  /** Calls the listener when somebody wants the program to end (Ctrl-C), until the returned function is called. */
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
      // Once: the next Ctrl-C ends the process at once, as ever.
      process.once('SIGINT', listener)
      return () => process.off('SIGINT', listener)
    },
  }
}
