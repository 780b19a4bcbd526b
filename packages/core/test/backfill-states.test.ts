import { expect, it } from 'vitest'
import { standingsOf } from '../src/engine/api/backfill-states.ts'
import { backfillOccurrenceId, jobId, type OccurrenceId } from '../src/ids.ts'
import type { JobRecord } from '../src/storage/job-record.ts'
import type { OccurrenceRecord } from '../src/storage/occurrence-record.ts'
import type { Storage } from '../src/storage/storage.ts'

const job = jobId('job')
const slot = Date.UTC(2026, 0, 1)
const head = { id: job, createdAt: 0, watermark: slot, pruneFloor: null } as unknown as JobRecord

/** The members of a run of a backfill that determine the state of the run's slot in the backfill. */
type Run = Pick<OccurrenceRecord, 'state' | 'reason' | 'token'> & { readonly key?: string }

const displaced: Run = { state: 'canceled', reason: 'displaced', token: 0 }
const failed: Run = { state: 'failed', reason: null, token: 1 }

/** Returns the state of one slot in the backfill `mine`. The arguments are the slot's runs in all backfills, in order. */
async function standingOf(...runs: readonly Run[]) {
  const records = new Map(
    runs.map(({ key = 'mine', ...run }, index): [OccurrenceId, OccurrenceRecord] => {
      const id = backfillOccurrenceId(job, slot, index + 1)
      return [
        id,
        { id, jobId: job, kind: 'trigger', ...run, details: { requestKey: key } } as unknown as OccurrenceRecord,
      ]
    }),
  )
  const storage = {
    async get({ occurrences = [] }: Parameters<Storage['get']>[0]) {
      return { occurrences: occurrences.map((id) => records.get(id) ?? null) }
    },
    listOccurrences: async () => ({ items: [], cursor: null }),
  } as unknown as Storage
  const calls = {
    once: <T>(call: (storage: Storage) => Promise<T>) => call(storage),
    repeated: <T>(_: string, call: (storage: Storage) => Promise<T>) => call(storage),
  }
  const [standing] = await standingsOf(calls, head, [slot], { key: 'mine', which: 'all' })
  return standing?.standing
}

it('a backfill runs a slot again if a later run displaced (canceled) the run of this slot, but not if this run ended otherwise', async () => {
  expect(await standingOf(displaced)).toBe('open')
  expect(await standingOf(displaced, displaced)).toBe('open')
  expect(await standingOf(displaced, failed)).toBe('ended')
  expect(await standingOf(displaced, { ...displaced, key: 'other' })).toBe('ended')
})

it('a backfill skips a slot that has a failed run of this backfill, even if a later run of the slot was displaced (canceled)', async () => {
  expect(await standingOf(displaced, failed, displaced)).toBe('ended')
  expect(await standingOf({ ...failed, key: 'other' }, displaced)).toBe('open')
  expect(await standingOf({ state: 'pending', reason: 'delayed', token: 0 }, displaced)).toBe('live')
})
