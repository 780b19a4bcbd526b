import { jobId, type OccurrenceId, occurrenceId } from '@jobistemer/core'
import type { CreateRequested, JobRecord, OccurrenceAddress, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, finishItem, minute, owner, slotAt, slotItem, start, succeeded } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

// The number of occurrences of the job `dense`. The storage groups the rows of the history in blocks of 16,384 rows. The
// occurrences of all jobs together need more than one block. The occurrences do not end in the order of their scheduled times. Some rows of the
// history are not indexed yet.
const denseCount = 16_000
const sparseEvery = 100
const triggerCount = 3_200

let scratch: Scratch
let storage: Storage
let database: Database.Database
const jobs: Record<'dense' | 'sparse' | 'scattered', JobRecord> = {} as never
const expected: Record<keyof typeof jobs, OccurrenceAddress[]> = { dense: [], sparse: [], scattered: [] }

/**
 * Returns the scheduled time of a trigger. The times are scattered over the whole period, and two triggers often have
 * the same scheduled time.
 */
function scatteredAt(index: number): number {
  return start + ((index * 7919) % 1000) * 16 * minute
}

function triggerItem(index: number): CreateRequested {
  const scheduledAt = scatteredAt(index)
  return {
    kind: 'trigger',
    id: occurrenceId(jobId(`scattered/${index}`), scheduledAt),
    jobId: jobs.scattered.id,
    scheduledAt,
    jobVersion: 1,
    dueAt: scheduledAt,
    executionTimeoutMs: minute,
    details: { requestKey: `${index}` },
    runs: slotItem(jobs.scattered.id, 1).runs,
  }
}

async function runAll(name: keyof typeof jobs, items: readonly (CreateRequested | ReturnType<typeof slotItem>)[]) {
  const now = slotAt(denseCount + 10)
  const answers = await storage.createOccurrences({ now, owner, items })
  expect(answers.every((answer) => answer.outcome === 'created' && answer.state === 'running')).toBe(true)
  const settled = items.map((item) => ({
    ...finishItem(item.jobId, 1),
    id: item.id,
    scheduledAt: item.scheduledAt,
    runs: succeeded(item.scheduledAt, now),
  }))
  await storage.settle({ now, items: settled })
  for (const { id, jobId: job, scheduledAt } of items) expected[name].push({ id, jobId: job, scheduledAt })
}

beforeAll(async () => {
  scratch = makeScratch()
  database = new Database(scratch.file)
  storage = sqliteStorage({ database, synchronous: 'normal' })
  jobs.dense = await addJob(storage, 'dense', 'allow')
  jobs.sparse = await addJob(storage, 'sparse', 'allow')
  jobs.scattered = await addJob(storage, 'scattered', 'allow')
  // A slot that is canceled ahead ends long before its scheduled time.
  const ahead = slotItem(jobs.dense.id, denseCount - 5)
  await storage.createOccurrences({ now: start, owner, items: [{ ...ahead, kind: 'exclusion', reason: 'holiday' }] })
  expected.dense.push({ id: ahead.id, jobId: ahead.jobId, scheduledAt: ahead.scheduledAt })
  for (let index = 1; index <= denseCount; index += sparseEvery) {
    const slots = Array.from({ length: sparseEvery }, (_, offset) => slotItem(jobs.dense.id, index + offset))
    const excluded = slots.findIndex((slot) => slot.id === ahead.id)
    if (excluded < 0) await runAll('dense', slots)
    else {
      await runAll('dense', slots.slice(0, excluded))
      await storage.createOccurrences({ now: slotAt(denseCount), owner, items: [slots[excluded] as never] })
      await runAll('dense', slots.slice(excluded + 1))
    }
    const share = triggerCount / (denseCount / sparseEvery)
    const first = ((index - 1) / sparseEvery) * share
    await runAll(
      'scattered',
      Array.from({ length: share }, (_, offset) => triggerItem(first + offset)),
    )
    await runAll('sparse', [slotItem(jobs.sparse.id, (index - 1) / sparseEvery + 1)])
  }
  for (const list of Object.values(expected)) list.sort(bySchedule)
}, 120_000)

afterAll(async () => {
  await storage.close()
  database.close()
  scratch.remove()
})

function bySchedule(left: OccurrenceAddress, right: OccurrenceAddress): number {
  return left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : 1)
}

async function listAll(
  job: JobRecord,
  order: 'ascending' | 'descending',
  limit: number,
  range: { readonly from?: number; readonly to?: number; readonly states?: readonly ['canceled'] } = {},
): Promise<readonly OccurrenceRecord[]> {
  const items: OccurrenceRecord[] = []
  let cursor: string | null = null
  do {
    const query = { kind: 'job', jobId: job.id, order, limit, cursor, runs: true, ...range } as const
    const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences(query)
    expect(page.items.length).toBeLessThanOrEqual(limit)
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null)
  return items
}

function idsOf(items: readonly OccurrenceAddress[]): readonly OccurrenceId[] {
  return items.map(({ id }) => id)
}

describe('an SQLite history of several indexed blocks and a tail of rows that are not indexed yet', () => {
  it('has one row for each occurrence, and its indexes do not contain the rows of the tail', () => {
    const rows = database.prepare('SELECT count(*) FROM history').pluck().get()
    const indexed = database.prepare('SELECT count(*) FROM history_times').pluck().get()
    expect(rows).toBe(denseCount + triggerCount + denseCount / sparseEvery)
    expect(indexed).toBeLessThan(rows as number)
    expect(database.prepare('SELECT count(*) FROM history_ids').pluck().get()).toBe(indexed)
    expect(database.prepare('SELECT count(*) FROM history_blocks').pluck().get()).toBe(2)
  })

  it('is listed completely and in order, in both directions and with any page size', async () => {
    for (const name of ['dense', 'sparse', 'scattered'] as const) {
      const rising = await listAll(jobs[name], 'ascending', 777)
      expect(idsOf(rising)).toEqual(idsOf(expected[name]))
      expect(rising.map(({ scheduledAt }) => scheduledAt)).toEqual(expected[name].map(({ scheduledAt }) => scheduledAt))
      const falling = await listAll(jobs[name], 'descending', 2_000)
      expect(idsOf(falling)).toEqual(idsOf(expected[name].toReversed()))
    }
  })

  it('is listed between two given instants', async () => {
    for (const name of ['dense', 'scattered'] as const) {
      const [from, to] = [slotAt(10_000), slotAt(10_600)]
      const within = expected[name].filter(({ scheduledAt }) => scheduledAt >= from && scheduledAt < to)
      expect(within.length).toBeGreaterThan(10)
      expect(idsOf(await listAll(jobs[name], 'ascending', 50, { from, to }))).toEqual(idsOf(within))
      expect(idsOf(await listAll(jobs[name], 'descending', 50, { from, to }))).toEqual(idsOf(within.toReversed()))
    }
  })

  it('is searched for occurrences of a rare state', async () => {
    const found = await listAll(jobs.dense, 'ascending', 10, { states: ['canceled'] })
    expect(idsOf(found)).toEqual([slotItem(jobs.dense.id, denseCount - 5).id])
  })

  it('returns every record by its id alone', async () => {
    const wanted = Object.values(expected).flatMap((list) => list.filter((_, index) => index % 97 === 0))
    const { occurrences } = await storage.get({ occurrences: idsOf(wanted) })
    expect(occurrences.map((record) => record?.id)).toEqual(idsOf(wanted))
    expect(occurrences.every((record) => record?.runs.length === 1 || record?.state === 'canceled')).toBe(true)
  })

  it('answers `exists` for every slot and request that it contains', async () => {
    const slots = [1, 5_000, 13_000, 15_500, denseCount].map((index) => slotItem(jobs.dense.id, index))
    const triggers = [0, 1, 2_000, triggerCount - 1].map(triggerItem)
    const answers = await storage.createOccurrences({ now: slotAt(denseCount), owner, items: [...slots, ...triggers] })
    expect(answers.map(({ outcome }) => outcome)).toEqual(Array(9).fill('exists'))
  })

  it('answers `ok` to the repetition of a settle that ended an occurrence', async () => {
    const items = [1, 15_000, denseCount].map((index) => finishItem(jobs.dense.id, index))
    const answers = await storage.settle({ now: slotAt(denseCount), items })
    expect(answers.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok'])
  })
})

describe('a prune of a long history in SQLite', () => {
  it('removes old occurrences except the latest of each job, in calls of bounded size', async () => {
    const before = slotAt(8_765)
    let removed = 0
    let calls = 0
    for (let more = true; more; calls++) {
      const answer = await storage.prune({ now: slotAt(denseCount), jobId: null, before, keep: 250, limit: 2_000 })
      expect(answer.removed).toBeLessThanOrEqual(2_000)
      removed += answer.removed
      more = answer.more
    }
    expect(calls).toBeGreaterThan(2)
    let kept = 0
    for (const name of ['dense', 'sparse', 'scattered'] as const) {
      const head = (await storage.get({ jobs: [jobs[name].id] })).jobs[0] as JobRecord
      const spare = expected[name].slice(0, -250)
      const gone = new Set(
        idsOf(spare.filter(({ scheduledAt }) => scheduledAt < before && scheduledAt <= head.watermark)),
      )
      const goneAddresses = expected[name].filter(({ id }) => gone.has(id))
      expected[name] = expected[name].filter(({ id }) => !gone.has(id))
      expect(idsOf(await listAll(jobs[name], 'ascending', 2_000))).toEqual(idsOf(expected[name]))
      expect(head.pruneFloor).toBe(goneAddresses.at(-1)?.scheduledAt ?? null)
      const { occurrences } = await storage.get({ occurrences: [...gone].slice(0, 200) })
      expect(occurrences.every((record) => record === null)).toBe(true)
      kept += expected[name].length
    }
    expect(removed + kept).toBe(denseCount + triggerCount + denseCount / sparseEvery)
  })

  it('prevents an old slot from being created again', async () => {
    const [answer] = await storage.createOccurrences({
      now: slotAt(denseCount),
      owner,
      items: [slotItem(jobs.dense.id, 3)],
    })
    expect(answer?.outcome).toBe('pruned')
  })

  it('empties the indexes if it removes all occurrences, and occurrences of later runs are listed', async () => {
    const now = slotAt(denseCount + 10)
    for (let more = true; more; ) {
      more = (await storage.prune({ now, jobId: jobs.dense.id, before: now, keep: 0, limit: 10_000 })).more
    }
    expect(await listAll(jobs.dense, 'ascending', 100)).toEqual([])
    await runAll('dense', [slotItem(jobs.dense.id, denseCount + 1)])
    const { occurrences } = await storage.get({ occurrences: [slotItem(jobs.dense.id, denseCount + 1).id] })
    expect(occurrences[0]?.state).toBe('completed')

    for (const name of ['dense', 'sparse', 'scattered'] as const) {
      const { watermark } = (await storage.get({ jobs: [jobs[name].id] })).jobs[0] as JobRecord
      await storage.prune({ now, jobId: jobs[name].id, before: watermark + 1, keep: 0, limit: 100_000 })
    }
    const left = database.prepare('SELECT count(*) FROM history').pluck().get()
    for (const table of ['history_times', 'history_ids']) {
      expect(database.prepare(`SELECT count(*) FROM ${table}`).pluck().get()).toBe(left)
    }
    await runAll('dense', [slotItem(jobs.dense.id, denseCount + 2)])
    const [repeated] = await storage.createOccurrences({ now, owner, items: [slotItem(jobs.dense.id, denseCount + 2)] })
    expect(repeated?.outcome).toBe('exists')
  })
})
