import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceKind } from '@jobistemer/core/storage'
import type { HostTime } from './host-time.ts'

/**
 * A line that a handler writes itself, to a file that does not depend on the storage. `mono` and `wall` are the time of the
 * event.
 */
export type WitnessLine = WitnessStart | WitnessEnd

interface WitnessBase extends HostTime {
  readonly occurrence: OccurrenceId
  readonly job: string
  readonly task: string
  readonly attempt: number
  /** The fencing token that the handler received. */
  readonly token: number
  /** The name of the node, and the life of the process. */
  readonly node: string
  readonly life: string
}

export interface WitnessStart extends WitnessBase {
  readonly event: 'start'
  readonly kind: OccurrenceKind
  readonly scheduledAt: number
  /** When the owner received the occurrence, by its engine's clock. */
  readonly takenAt: number
  /** The latest stall of the process, if there was one. */
  readonly stall: Stall | null
}

export interface WitnessEnd extends WitnessBase {
  readonly event: 'end'
  /** `aborted`: its signal aborted it. `moved`: all rows are written, and the commit is next. */
  readonly outcome: 'succeeded' | 'failed' | 'aborted' | 'moved'
}

/** A period of monotonic time in which a process did not run: stopped, or without a processor. */
export interface Stall {
  readonly from: number
  readonly to: number
}
