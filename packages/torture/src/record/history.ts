import type { OccurrenceId } from '@jobistemer/core'
import type { FinalState, OccurrenceState } from '@jobistemer/core/storage'
import type { HostTime } from './host-time.ts'
import type { StorageFault } from '../driver/fault-plan.ts'
import type { Stall } from './witness.ts'

/** A recorded event. `mono` and `wall` are the times at which the process wrote the line. */
export type HistoryLine = HostTime & (NodeEvent | DriverEvent)

/**
 * An event that a node records after an answer of the storage. A process that is killed between the answer and the line
 * writes no line, so a missing line proves nothing.
 */
export type NodeEvent = { readonly life: string } & (
  | { readonly event: 'up'; readonly node: string }
  | {
      readonly event: 'created'
      readonly occurrence: OccurrenceId
      readonly job: string
      readonly origin: 'slot' | 'trigger' | 'replay' | 'recovery' | 'exclusion'
      /**
       * The state of the created occurrence; `null` if a recovery of missed slots created the occurrence. The storage's
       * answer to a recovery has only the state of the last occurrence that the recovery created.
       */
      readonly state: OccurrenceState | null
    }
  /** The storage gave the occurrence to the node. `now` is the time in the request, by the engine's clock. */
  | {
      readonly event: 'granted'
      readonly by: 'create' | 'claim'
      readonly occurrence: OccurrenceId
      readonly job: string
      readonly node: string
      readonly token: number
      readonly now: number
      /** Time of the engine's clock after which other nodes may reap the occurrence. */
      readonly deadline: number
      /** Monotonic time at which the node sent the call. */
      readonly sentAt: number
    }
  /** The storage accepted an owner's settle. `sentAt` is the monotonic time before the settle was first sent. */
  | {
      readonly event: 'settled'
      readonly occurrence: OccurrenceId
      readonly token: number
      readonly sequence: number
      readonly change: 'progress' | 'finish' | 'release'
      readonly state: FinalState | null
      readonly sentAt: number
    }
  /** The storage rejected the settle of a former owner. */
  | { readonly event: 'refused'; readonly occurrence: OccurrenceId; readonly token: number }
  | {
      readonly event: 'reaped'
      readonly occurrence: OccurrenceId
      /** The configured name of the node; `null` if the scheduler generates its name. */
      readonly node: string | null
      readonly token: number
      readonly action: 'fail' | 'retry'
      readonly reason: string
      readonly now: number
      /** Monotonic time at which the node sent the call. */
      readonly sentAt: number
    }
  /** The storage has canceled the occurrence. `sentAt` is the monotonic time before the call. */
  | { readonly event: 'canceled'; readonly occurrence: OccurrenceId; readonly sentAt: number }
  /** The storage accepted a heartbeat of the process; `sentAt` is the monotonic time before the call. */
  | { readonly event: 'heartbeat'; readonly sentAt: number }
  /** The process begins a call of `runDue` with this budget. */
  | { readonly event: 'calls'; readonly budgetMs: number }
  /** A node is about to cancel a running occurrence by force. */
  | { readonly event: 'forcing'; readonly occurrence: OccurrenceId }
  | { readonly event: 'stalled'; readonly stall: Stall }
  /** The process read the storage's clock; `sentAt` is the monotonic time before the call. */
  | { readonly event: 'clock-read'; readonly time: number; readonly resolutionMs: number; readonly sentAt: number }
  /** From now on the process's clock is `offsetMs` ahead of the machine's clock. */
  | { readonly event: 'clock'; readonly offsetMs: number }
  | { readonly event: 'storage-failed'; readonly operation: string; readonly code: string }
  | { readonly event: 'engine-failed'; readonly where: string; readonly message: string }
  /** The process is about to kill itself at a crash point. */
  | { readonly event: 'crashing'; readonly point: string }
  /** The shutdown of the node has ended. */
  | { readonly event: 'down' }
)

/** An event that the driver records. */
export type DriverEvent =
  | { readonly event: 'spawned'; readonly life: string; readonly node: string | null }
  /** The torture driver records the event, and then sends SIGKILL, SIGSTOP or SIGCONT to the process. */
  | { readonly event: 'killed' | 'stopped' | 'resumed'; readonly life: string }
  | {
      readonly event: 'exited'
      readonly life: string
      readonly code: number | null
      readonly signal: string | null
      /** Whether the driver requested the end of the process, or the process announced it. */
      readonly expected: boolean
    }
  /** The driver is about to send a request to a node. The checks count requests with the same key as one request. */
  | { readonly event: 'asked'; readonly request: 'trigger' | 'replay'; readonly key: string }
  /** A node answered that the storage has created the occurrence. */
  | { readonly event: 'accepted'; readonly occurrence: OccurrenceId }
  /** A node answered that the job is paused. */
  | { readonly event: 'paused'; readonly job: string }
  /** The driver is about to ask a node to resume the job. */
  | { readonly event: 'resuming'; readonly job: string }
  /** A fault of the storage's server or network is about to begin (`ended` is `false`) or has ended (`ended` is `true`). */
  | { readonly event: 'storage'; readonly fault: StorageFault['kind']; readonly ended: boolean }
  | { readonly event: 'phase'; readonly phase: 'faults' | 'calm' | 'drain' | 'end' }
