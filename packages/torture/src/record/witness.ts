import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceKind } from '@jobistemer/core/storage'
import type { HostTime } from './host-time.ts'

/**
 * What a handler saw: written by the handler itself, to a file that does not depend on the storage. `mono` and `wall`
 * are when.
 */
export type WitnessLine = WitnessStart | WitnessEnd

interface WitnessBase extends HostTime {
  readonly occurrence: OccurrenceId
  readonly job: string
  readonly task: string
  readonly attempt: number
  /** The fencing token that the handler was given. */
  readonly token: number
  /** The node's name, and which of the processes that the driver started it is. */
  readonly node: string
  readonly life: string
}

export interface WitnessStart extends WitnessBase {
  readonly event: 'start'
  readonly kind: OccurrenceKind
  readonly scheduledAt: number
  /** When the owner took the occurrence, by its engine's clock. */
  readonly takenAt: number
  /** The latest time in which the process did not get to run, if there was one. */
  readonly stall: Stall | null
}

export interface WitnessEnd extends WitnessBase {
  readonly event: 'end'
  /** `aborted`: its signal told it to stop. `moved`: all is written, and the commit is about to be asked for. */
  readonly outcome: 'succeeded' | 'failed' | 'aborted' | 'moved'
}

/** A stretch of monotonic time in which a process did not run: stopped, or without a processor. */
export interface Stall {
  readonly from: number
  readonly to: number
}
