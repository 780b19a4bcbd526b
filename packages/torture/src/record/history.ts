import type { OccurrenceId } from '@jobistemer/core'
import type { FinalState, OccurrenceState } from '@jobistemer/core/storage'
import type { HostTime } from './host-time.ts'
import type { StorageFault } from '../driver/fault-plan.ts'
import type { Stall } from './witness.ts'

/** An event as its writing process saw it. `mono` and `wall` are the times of writing. */
export type HistoryLine = HostTime & (NodeEvent | DriverEvent)

/**
 * Written by a node after an answer of the storage. A process that is killed between the answer and the line writes none. A
 * missing line therefore proves nothing.
 */
export type NodeEvent = { readonly life: string } & (
  | { readonly event: 'up'; readonly node: string }
  | {
      readonly event: 'created'
      readonly occurrence: OccurrenceId
      readonly job: string
      readonly origin: 'slot' | 'trigger' | 'replay' | 'recovery' | 'exclusion'
      /** `null` for the entries of a recovery: the answer states only that of the last one. */
      readonly state: OccurrenceState | null
    }
  /** The node received the occurrence to run. `now` is the time in the request, by the engine's clock. */
  | {
      readonly event: 'granted'
      readonly by: 'create' | 'claim'
      readonly occurrence: OccurrenceId
      readonly job: string
      readonly node: string
      readonly token: number
      readonly now: number
      /** Time of the engine's clock after which other nodes may take the occurrence from its owner. */
      readonly deadline: number
      /** Monotonic time before the call. */
      readonly sentAt: number
    }
  /** The storage accepted a settle of an owner. `sentAt` is the monotonic time before its first sending. */
  | {
      readonly event: 'settled'
      readonly occurrence: OccurrenceId
      readonly token: number
      readonly sequence: number
      readonly change: 'progress' | 'finish' | 'release'
      readonly state: FinalState | null
      readonly sentAt: number
    }
  /** The storage rejected a settle of a former owner. */
  | { readonly event: 'refused'; readonly occurrence: OccurrenceId; readonly token: number }
  | {
      readonly event: 'reaped'
      readonly occurrence: OccurrenceId
      /** The configured name of the node; `null` if the scheduler has generated its own. */
      readonly node: string | null
      readonly token: number
      readonly action: 'fail' | 'retry'
      readonly reason: string
      readonly now: number
      /** Monotonic time before the call. */
      readonly sentAt: number
    }
  /** The storage has canceled the occurrence; `sentAt` as above. */
  | { readonly event: 'canceled'; readonly occurrence: OccurrenceId; readonly sentAt: number }
  /** The storage accepted a heartbeat of the process; `sentAt` is the monotonic time before the call. */
  | { readonly event: 'heartbeat'; readonly sentAt: number }
  /** The process makes calls of `runDue` with this budget. */
  | { readonly event: 'calls'; readonly budgetMs: number }
  /** Written before a running occurrence is canceled by force. */
  | { readonly event: 'forcing'; readonly occurrence: OccurrenceId }
  | { readonly event: 'stalled'; readonly stall: Stall }
  /** The process read the storage's clock; `sentAt` is the monotonic time before the call. */
  | { readonly event: 'clock-read'; readonly time: number; readonly resolutionMs: number; readonly sentAt: number }
  /** From now on the process's clock is `offsetMs` ahead of the machine's clock. */
  | { readonly event: 'clock'; readonly offsetMs: number }
  | { readonly event: 'storage-failed'; readonly operation: string; readonly code: string }
  | { readonly event: 'engine-failed'; readonly where: string; readonly message: string }
  /** The process kills itself at a named point. */
  | { readonly event: 'crashing'; readonly point: string }
  /** `shutdown()` has resolved. */
  | { readonly event: 'down' }
)

/** Written by the driver. */
export type DriverEvent =
  | { readonly event: 'spawned'; readonly life: string; readonly node: string | null }
  /** Written before the driver sends the signal. */
  | { readonly event: 'killed' | 'stopped' | 'resumed'; readonly life: string }
  | {
      readonly event: 'exited'
      readonly life: string
      readonly code: number | null
      readonly signal: string | null
      /** The driver had requested it, or the process had announced it. */
      readonly expected: boolean
    }
  /** Written before the driver sends the request to a node. Requests with one key are one request. */
  | { readonly event: 'asked'; readonly request: 'trigger' | 'replay'; readonly key: string }
  /** A node has answered that the storage has the occurrence. */
  | { readonly event: 'accepted'; readonly occurrence: OccurrenceId }
  /** Written after a node has answered that the job is paused. */
  | { readonly event: 'paused'; readonly job: string }
  /** Written before the driver sends the resumption to a node. */
  | { readonly event: 'resuming'; readonly job: string }
  /** Written before a fault of the storage's server or network; `ended`: written after it. */
  | { readonly event: 'storage'; readonly fault: StorageFault['kind']; readonly ended: boolean }
  | { readonly event: 'phase'; readonly phase: 'faults' | 'calm' | 'drain' | 'end' }
