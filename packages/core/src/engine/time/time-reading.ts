/** What a clock said, set against this node's monotonic one. */
export interface TimeReading {
  /** The time that it tells for the monotonic instant 0. */
  readonly origin: number
  /** By how many milliseconds it may be wrong. */
  readonly uncertaintyMs: number
  /** Monotonic instants between which the clock was read. */
  readonly sentAt: number
  readonly receivedAt: number
  /** Wall minus monotonic clock of this node, when the reading was begun. */
  readonly difference: number
}
