import type { OccurrenceId } from '@jobistemer/core'
import type { FinalState, OccurrenceState } from '@jobistemer/core/storage'
import type { HostTime } from './host-time.ts'
import type { StorageFault } from '../driver/fault-plan.ts'
import type { Stall } from './witness.ts'

/** Something that happened, as the process that wrote it saw it; `mono` and `wall` are when it was written. */
export type HistoryLine = HostTime & (NodeEvent | DriverEvent)

/**
 * Written by a node after the storage has answered. A process that is killed between the answer and the line leaves
 * none: what is there happened, what is not there may have happened.
 */
export type NodeEvent = { readonly life: string } & (
  | { readonly event: 'up'; readonly node: string }
  | {
      readonly event: 'created'
      readonly occurrence: OccurrenceId
      readonly job: string
      readonly origin: 'slot' | 'trigger' | 'replay' | 'recovery' | 'exclusion'
      /** `null` for the entries of a recovery: the answer tells of its last one only. */
      readonly state: OccurrenceState | null
    }
  /** It is the node's to run; `now` is the time that the request named, by the engine's clock. */
  | {
      readonly event: 'granted'
      readonly by: 'create' | 'claim'
      readonly occurrence: OccurrenceId
      readonly job: string
      readonly node: string
      readonly token: number
      readonly now: number
      /** Time of the engine's clock from which on it may be taken from an owner that does not settle it. */
      readonly deadline: number
      /** The monotonic time before the call. */
      readonly sentAt: number
    }
  /** The storage accepted what an owner said; `sentAt` is the monotonic time before it was said for the first time. */
  | {
      readonly event: 'settled'
      readonly occurrence: OccurrenceId
      readonly token: number
      readonly sequence: number
      readonly change: 'progress' | 'finish' | 'release'
      readonly state: FinalState | null
      readonly sentAt: number
    }
  /** The storage refused what a former owner said. */
  | { readonly event: 'refused'; readonly occurrence: OccurrenceId; readonly token: number }
  | {
      readonly event: 'reaped'
      readonly occurrence: OccurrenceId
      /** The name that the node was given; `null` when it has made up its own. */
      readonly node: string | null
      readonly token: number
      readonly action: 'fail' | 'retry'
      readonly reason: string
      readonly now: number
      /** The monotonic time before the call. */
      readonly sentAt: number
    }
  /** The storage has canceled it; `sentAt` as above. */
  | { readonly event: 'canceled'; readonly occurrence: OccurrenceId; readonly sentAt: number }
  /** The storage has heard that it lives; `sentAt` is the monotonic time before the call. */
  | { readonly event: 'heartbeat'; readonly sentAt: number }
  /** Its process makes calls of `runDue` with such a budget. */
  | { readonly event: 'calls'; readonly budgetMs: number }
  /** Before a running occurrence is ended over the head of its owner. */
  | { readonly event: 'forcing'; readonly occurrence: OccurrenceId }
  | { readonly event: 'stalled'; readonly stall: Stall }
  /** The storage's clock was read; `sentAt` is the monotonic time before the call. */
  | { readonly event: 'clock-read'; readonly time: number; readonly resolutionMs: number; readonly sentAt: number }
  /** From now on the process's clock is so much ahead of the machine's. */
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
  /** Written before the signal is sent. */
  | { readonly event: 'killed' | 'stopped' | 'resumed'; readonly life: string }
  | {
      readonly event: 'exited'
      readonly life: string
      readonly code: number | null
      readonly signal: string | null
      /** The driver had asked for it, or the process had said that it would. */
      readonly expected: boolean
    }
  /** Before the request is sent to a node. Requests of one key are one. */
  | { readonly event: 'asked'; readonly request: 'trigger' | 'replay'; readonly key: string }
  /** A node has answered that the occurrence is stored. */
  | { readonly event: 'accepted'; readonly occurrence: OccurrenceId }
  /** After a node has answered that the job is paused. */
  | { readonly event: 'paused'; readonly job: string }
  /** Before a node is asked to resume it. */
  | { readonly event: 'resuming'; readonly job: string }
  /** Before something is done to the storage's server or the network in front of it; `ended`: it is whole again. */
  | { readonly event: 'storage'; readonly fault: StorageFault['kind']; readonly ended: boolean }
  | { readonly event: 'phase'; readonly phase: 'faults' | 'calm' | 'drain' | 'end' }
