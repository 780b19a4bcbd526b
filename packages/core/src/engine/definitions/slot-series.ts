/** The slots of a job, as its schedules define them. */
export interface SlotSeries {
  /** Returns the first slot strictly after the instant, in epoch milliseconds. `null`: none. */
  nextMs(afterMs: number): number | null
  /** Returns the last slot strictly before the instant, in epoch milliseconds. `null`: none. */
  previousMs(beforeMs: number): number | null
}
