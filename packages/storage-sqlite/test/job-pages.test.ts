import type { JobRecord, OccurrenceRecord, OccurrenceState, Page, Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, finishItem, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

// The number of finished occurrences: more than a single read of a filtered list returns. The scheduled times of some
// live occurrences are between those of the finished ones. Other live occurrences have later scheduled times.
const finishedCount = 2_600
const perCall = 200

let scratch: Scratch
let database: Database.Database
let storage: Storage
let job: JobRecord
let whole: readonly OccurrenceRecord[]
/** The statements that ran since a test has emptied this list. */
let statements: string[] = []

beforeAll(async () => {
  scratch = makeScratch()
  database = new Database(scratch.file, { verbose: (text) => statements.push(String(text)) })
  storage = sqliteStorage({ database, synchronous: 'normal' })
  job = await addJob(storage, 'job', 'allow')
  for (let first = 1; first <= finishedCount; first += perCall) {
    const slots = Array.from({ length: perCall }, (_, index) => first + index)
    const now = slotAt(first + perCall)
    const items = slots.map((slot) =>
      slot % 90 === 0 ? { ...slotItem(job.id, slot), runs: null } : slotItem(job.id, slot),
    )
    await storage.createOccurrences({ now, owner, items })
    const ended = slots.filter((slot) => slot % 90 !== 0 && slot % 70 !== 0)
    await storage.settle({ now, items: ended.map((slot) => finishItem(job.id, slot)) })
  }
  const { name, fingerprint, definition, handlerKey, timeline, version, watermark, nextAt } = job
  const overlap = { policy: 'queue', maxQueued: 1000 } as const
  const content = {
    name,
    owner: null,
    fingerprint: `${fingerprint}, queued`,
    definition,
    handlerKey,
    timeline,
    overlap,
    nextAt,
  }
  const head = (await storage.get({ jobs: [job.id] })).jobs[0] ?? job
  const expected = { expectedVersion: version, expectedWatermark: head.watermark ?? watermark }
  const change = {
    kind: 'replace',
    id: job.id,
    content: { ...content, nextAt: head.nextAt },
    ...expected,
    waiting: 'keep',
  } as const
  await storage.saveJobs({ now: slotAt(finishedCount + 1), changes: [change] })
  const queued = Array.from({ length: 30 }, (_, key) => ({
    ...triggerItem(job.id, key, slotAt(1 + key * 97)),
    jobVersion: 2,
  }))
  await storage.createOccurrences({ now: slotAt(finishedCount + 2), owner, items: queued })
  whole = await listAll({ order: 'ascending', limit: 500 })
}, 120_000)

afterAll(async () => {
  await storage.close()
  database.close()
  scratch.remove()
})

type Part = {
  readonly order: 'ascending' | 'descending'
  readonly limit: number
  readonly states?: readonly OccurrenceState[]
}

async function page(part: Part, cursor: string | null = null): Promise<Page<OccurrenceRecord>> {
  return storage.listOccurrences({ kind: 'job', jobId: job.id, runs: false, cursor, ...part })
}

async function listAll(part: Part): Promise<readonly OccurrenceRecord[]> {
  const items: OccurrenceRecord[] = []
  let cursor: string | null = null
  do {
    const { items: found, cursor: next }: Page<OccurrenceRecord> = await page(part, cursor)
    expect(found.length).toBeLessThanOrEqual(part.limit)
    items.push(...found)
    cursor = next
  } while (cursor !== null)
  return items
}

/** Returns how often the list query read a table since `statements` was emptied. */
function readsOf(table: string): number {
  return statements.filter((text) => text.startsWith('SELECT') && text.includes(`FROM ${table} WHERE job =`)).length
}

it('the test data of this file contain occurrences of each state', () => {
  const counts: Partial<Record<OccurrenceState, number>> = {}
  for (const { state } of whole) counts[state] = (counts[state] ?? 0) + 1
  expect(counts).toEqual({ completed: 2539, pending: 31, running: 33, queued: 27 })
})

it.each([
  [['pending']],
  [['queued']],
  [['running']],
  [['completed']],
  [['pending', 'queued']],
  [['queued', 'completed']],
  [['running', 'failed']],
  [['running', 'pending', 'completed']],
  [['failed']],
] as [OccurrenceState[]][])(
  'pages of %s contain the same occurrences as the whole list, in both orders',
  async (states) => {
    const expected = whole.filter(({ state }) => states.includes(state)).map(({ id }) => id)
    for (const limit of [30, 500]) {
      const rising = await listAll({ order: 'ascending', limit, states })
      expect(rising.map(({ id }) => id)).toEqual(expected)
      const falling = await listAll({ order: 'descending', limit, states })
      expect(falling.map(({ id }) => id)).toEqual(expected.toReversed())
    }
  },
)

it('a page reads waiting occurrences once, and only if the query asks for their state', async () => {
  const reads = async (states: readonly OccurrenceState[]) => {
    statements = []
    expect((await page({ order: 'descending', limit: 100, states })).cursor).toBeNull()
    return { waiting: readsOf('waiting'), running: readsOf('running') }
  }
  expect(await reads(['running'])).toEqual({ waiting: 0, running: 1 })
  expect(await reads(['failed'])).toEqual({ waiting: 0, running: 0 })
  expect(await reads(['pending'])).toEqual({ waiting: 1, running: 0 })
  // The query reads the history in several steps. But it reads the tables `waiting` and `running` at most once each.
  expect(await reads(['queued', 'failed'])).toEqual({ waiting: 1, running: 0 })
})
