import type { TaskContext } from '../job/task.ts'
import type { JsonValue } from '../json.ts'
import type { ErrorRecord, LogLevel } from '../storage/occurrence-record.ts'

// This file describes the messages between a node and its child. All messages are plain data, of which the child gets a
// structured clone.

/** The time of the engine at an instant of the machine's monotonic clock. `at` is `null` if the engine's time stands still. */
export interface ToldTime {
  readonly now: number
  readonly at: number | null
}

/** The members of the task context that the node sends to its child. The child adds the functions of the context. */
export const sentMembers = [
  'job',
  'occurrence',
  'scheduledAt',
  'requestedAt',
  'startedAt',
  'latenessMs',
  'recovered',
  'replayOf',
  'backfill',
  'span',
  'fencingToken',
  'input',
  'task',
  'taskRunId',
  'attemptId',
  'attempt',
  'data',
  'results',
] as const

/** The data of an attempt for its child. */
export type IsolatedAttemptData = Pick<TaskContext, (typeof sentMembers)[number]>

/** Messages of a node to its child. `run` numbers the attempts of a pooled child. */
export type ToChild =
  | {
      readonly kind: 'run'
      readonly run: number
      readonly module: string
      readonly time: ToldTime
      readonly attempt: IsolatedAttemptData
      /** True if the child ends after this handler, because the node does not reuse the child. */
      readonly isLast: boolean
    }
  | { readonly kind: 'abort'; readonly run: number; readonly error: ErrorRecord }
  | {
      readonly kind: 'answer'
      readonly run: number
      readonly call: number
      readonly time: ToldTime
      readonly value?: JsonValue
      readonly error?: ErrorRecord
    }

/** A request of a handler in a child to its node. */
export type AskedOfNode = { readonly name: 'sleep'; readonly duration: JsonValue } | { readonly name: 'previousRun' }

/** Marks messages of the child's own program, because a handler can send any message through the same channel. */
const program = '@jobistemer/core'

/** A message of a child, marked as sent by the child's program and not by the handler. */
export type SentFromChild = FromChild & { readonly by: typeof program }

export function fromProgram(message: FromChild): SentFromChild {
  return { ...message, by: program }
}

/** Returns true if the child's program sent the message, and false if the handler itself did. */
export function isFromProgram(message: unknown): message is SentFromChild {
  return typeof message === 'object' && message !== null && 'by' in message && message.by === program
}

/** Messages of a child to its node. */
export type FromChild =
  | { readonly kind: 'returned'; readonly run: number; readonly result?: JsonValue }
  | {
      readonly kind: 'threw'
      readonly run: number
      readonly error: ErrorRecord
      /** True if the error ends the task without further retries. */
      readonly isNonRetryable?: true
    }
  | { readonly kind: 'progress'; readonly run: number; readonly fraction: number; readonly message: string | null }
  | {
      readonly kind: 'log'
      readonly run: number
      readonly level: LogLevel
      readonly fields: JsonValue
      readonly message: string
    }
  | { readonly kind: 'call'; readonly run: number; readonly call: number; readonly asked: AskedOfNode }
  /** Tells that an uncaught error is about to end the child. */
  | { readonly kind: 'crashed'; readonly error: ErrorRecord }

/** The channel of a child to its node. */
export interface ParentLink {
  post(message: FromChild): void
  /** Calls `hear` with each message of the node. */
  listen(hear: (message: ToChild) => void): void
  /**
   * Called when the last attempt has ended and its end was reported. After this call, sockets and other resources that the
   * handler left open do not keep the child alive.
   */
  leave(): void
}
