import type { ToChild } from '../../../isolated/messages.ts'

/** The end of a child. */
export interface ChildEnd {
  /** `null` if a signal ended the child, or if it never started. */
  readonly exitCode: number | null
  readonly signal: string | null
  /** The uncaught error of the child, or the error of its start. */
  readonly error?: unknown
}

/** Receives the messages and the end of a child. */
export interface ChildListener {
  heard(message: unknown): void
  ended(end: ChildEnd): void
}

/** The listener of a new child. `Children` replaces it in the same turn, before the child can send a message. */
export const noListener: ChildListener = { heard: () => undefined, ended: () => undefined }

/** A thread or a process in which isolated tasks run. */
export interface Child {
  listener: ChildListener
  /** The name for log lines and errors, such as `thread 3` or `process 4711`. */
  readonly name: string
  post(message: ToChild): void
  /** Terminates the child, even during synchronous code. The listener receives the end. */
  kill(): void
  /** The last lines that the child wrote to stderr. */
  lastLines(): string
  /** Sets whether the child keeps the process of the node alive. */
  keepsAlive(does: boolean): void
}
