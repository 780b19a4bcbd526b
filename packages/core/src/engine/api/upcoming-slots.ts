import { type JobId, occurrenceId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { Page } from '../../storage/storage.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'

/** Returns the first `count` slots that were not canceled ahead. `slots` are the next slots of the job in ascending order. */
export async function upcomingSlots(
  storage: StorageCalls,
  jobId: JobId,
  slots: Iterator<number, void>,
  count: number,
): Promise<readonly number[]> {
  const upcoming: number[] = []
  for (;;) {
    const some: number[] = []
    while (some.length < count - upcoming.length) {
      const slot = slots.next()
      if (slot.done) break
      some.push(slot.value)
    }
    const [first, last] = [some[0], some.at(-1)]
    if (first === undefined || last === undefined) return upcoming
    const canceled = await canceledSlots(storage, jobId, { from: first, to: last + 1 })
    upcoming.push(...some.filter((slot) => !canceled.has(slot)))
  }
}

/** Returns the canceled slots of a future span. Other records there belong to delayed requests. */
async function canceledSlots(
  storage: StorageCalls,
  jobId: JobId,
  span: { readonly from: number; readonly to: number },
): Promise<ReadonlySet<number>> {
  const found = new Set<number>()
  const part = { kind: 'job', jobId, ...span, states: ['canceled'], order: 'ascending', runs: false } as const
  let cursor: string | null = null
  do {
    const page: Page<OccurrenceRecord> = await storage.once((calls) =>
      calls.listOccurrences({ ...part, limit: 1000, cursor }),
    )
    for (const record of page.items) if (isOfSlot(record)) found.add(record.scheduledAt)
    cursor = page.cursor
  } while (cursor !== null)
  return found
}

function isOfSlot({ id, jobId, kind, scheduledAt }: OccurrenceRecord): boolean {
  return kind === 'slot' && id === occurrenceId(jobId, scheduledAt)
}
