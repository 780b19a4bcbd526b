import type { ToChild } from '../../../isolated/messages.ts'

/** How a child has ended. */
export interface ChildEnd {
  /** `null` when a signal ended it, or when it was never there. */
  readonly exitCode: number | null
  readonly signal: string | null
  /** What nobody in it has caught, or why it could not be started. */
  readonly error?: unknown
}

/** Who has a child listens to it. */
export interface ChildListener {
  heard(message: unknown): void
  ended(end: ChildEnd): void
}

/** Whoever starts a child listens to it before it can say anything. */
export const nobody: ChildListener = { heard: () => undefined, ended: () => undefined }

/** A thread or a process in which isolated tasks run. */
export interface Child {
  listener: ChildListener
  /** `thread 3`, `process 4711`: for messages. */
  readonly name: string
  post(message: ToChild): void
  /** Ends it at once, whatever it does. That it has ended is said to the listener. */
  kill(): void
  /** What it wrote to stderr last. */
  lastLines(): string
  /** Whether it keeps the process of the node alive. */
  keepsAlive(does: boolean): void
}
