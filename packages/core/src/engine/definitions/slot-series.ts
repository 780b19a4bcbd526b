/** What the engine asks of a job's schedules. */
export interface SlotSeries {
  /** The first slot strictly after, in epoch milliseconds. */
  nextMs(afterMs: number): number | null
  /** The last slot strictly before. */
  previousMs(beforeMs: number): number | null
}
