import type { JobId } from '@jobistemer/core'

/** How many jobs of one call are worked on at once. A client's HTTP agent has 50 sockets by default. */
const concurrency = 24

/** Does something with each item: those of one job in their order, those of different jobs side by side. */
export async function byJob<Item, Answer>(
  items: readonly Item[],
  jobOf: (item: Item) => JobId,
  work: (item: Item) => Promise<Answer>,
): Promise<readonly Answer[]> {
  const groups = new Map<JobId, { readonly item: Item; readonly index: number }[]>()
  for (const [index, item] of items.entries()) {
    const group = groups.get(jobOf(item))
    if (group === undefined) groups.set(jobOf(item), [{ item, index }])
    else group.push({ item, index })
  }
  const answers = new Array<Answer>(items.length)
  await sideBySide([...groups.values()], async (group) => {
    for (const { item, index } of group) answers[index] = await work(item)
  })
  return answers
}

/** Does something with each value, so many at a time. Rejects with the first failure once all that began has ended. */
export async function sideBySide<Value>(
  values: readonly Value[],
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

export function jobOf({ jobId }: { readonly jobId: JobId }): JobId {
  return jobId
}
