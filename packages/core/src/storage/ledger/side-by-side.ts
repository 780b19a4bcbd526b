/**
 * Calls `work` for each value, at most `concurrency` at a time. After a failure it starts no further call, and rejects
 * with that failure once all started calls have ended.
 */
export async function sideBySide<Value>(
  values: readonly Value[],
  concurrency: number,
  work: (value: Value) => Promise<void>,
): Promise<void> {
  let next = 0
  let failed = false
  const worker = async (): Promise<void> => {
    try {
      while (next < values.length && !failed) await work(values[next++] as Value)
    } catch (error) {
      failed = true
      throw error
    }
  }
  const results = await Promise.allSettled(Array.from({ length: Math.min(concurrency, values.length) }, worker))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
