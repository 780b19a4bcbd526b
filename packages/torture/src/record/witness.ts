import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceKind } from '@jobistemer/core/storage'
import type { HostTime } from './host-time.ts'

/** A line that a handler writes to a file outside of the storage. `mono` and `wall` are the time of the event. */
export type WitnessLine = WitnessStart | WitnessEnd

interface WitnessBase extends HostTime {
  readonly occurrence: OccurrenceId
  readonly job: string
  readonly task: string
  readonly attempt: number
  /** The fencing token of the handler's owner. */
  readonly token: number
  /** The names of the node and of its process, which is one life of the node. */
  readonly node: string
  readonly life: string
}

export interface WitnessStart extends WitnessBase {
  readonly event: 'start'
  readonly kind: OccurrenceKind
  readonly scheduledAt: number
  /** The time at which the owner received the occurrence, by its engine's clock, in epoch milliseconds. */
  readonly takenAt: number
  /** The latest stall of the process before this event, if any. */
  readonly stall: Stall | null
}

export interface WitnessEnd extends WitnessBase {
  readonly event: 'end'
  /**
   * The handler's outcome. `aborted`: the handler's signal fired. `moved`: the handler has written its row, and the
   * commit follows.
   */
  readonly outcome: 'succeeded' | 'failed' | 'aborted' | 'moved'
}

/** A period of monotonic time in which a process was stopped or had no processor. */
export interface Stall {
  readonly from: number
  readonly to: number
}
