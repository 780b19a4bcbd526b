/** A reading of a clock, relative to this node's monotonic clock. */
export interface TimeReading {
  /** The time of the clock at the monotonic instant 0, in epoch ms. */
  readonly origin: number
  /** Maximum error of the reading, in ms. */
  readonly uncertaintyMs: number
  /** Monotonic instants of request and answer. The clock was read between them. */
  readonly sentAt: number
  readonly receivedAt: number
  /** Wall clock minus monotonic clock of this node at the request. */
  readonly difference: number
}
