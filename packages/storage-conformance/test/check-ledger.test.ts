import { jobId, occurrenceId } from '@jobistemer/core'
import type { JobRecord, LiveCounts, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it } from 'vitest'
import { assertLedger, checkLedger, type LedgerExpectations, type LedgerRule } from '../src/index.ts'
import { everyMinute } from '../src/races/connection-races.ts'
import { exclusionItem, missedEntry, recoveryItem, runEntry, slotAddress } from '../src/stage/create-items.ts'
import { slotAt } from '../src/stage/instants.ts'
import { TestNode } from '../src/stage/test-node.ts'

/** Returns a storage whose records contain every state, and violate no rule of `checkLedger`. */
async function soundLedger(): Promise<Storage> {
  const storage = memoryStorage()
  const node = new TestNode(storage)
  const queue = await node.createJob({ name: 'queue', policy: 'queue' })
  await node.finish(await node.startSlot(queue, 1))
  await node.startSlot(queue, 2)
  await node.addSlot(queue, 3, 'queued')
  await node.addTrigger(queue, 'by-hand', slotAt(3) + 5, 'queued')
  const skip = await node.createJob({ name: 'skip' })
  await node.startSlot(skip, 1)
  await node.addSlot(skip, 2, 'skipped')
  const late = await node.createJob({ name: 'late' })
  await node.create(exclusionItem(late, 9), slotAt(1))
  const entries = [missedEntry(late, 1, 5), runEntry(late, 6)]
  await node.create(recoveryItem(late, 6, { expectedWatermark: late.watermark, entries }))
  await node.replaceJob(late.id, { policy: 'queue' })
  const rated = await node.createJob({
    name: 'rated',
    policy: 'queue',
    startRate: { limit: 1, intervalMs: 60_000 },
  })
  await node.finish(await node.startSlot(rated, 1))
  await node.finish(await node.startSlot(rated, 2))
  return storage
}

interface Corruption {
  readonly counts?: (counts: LiveCounts, index: number) => LiveCounts
  readonly occurrence?: (record: OccurrenceRecord) => OccurrenceRecord | null
  readonly job?: (job: JobRecord) => JobRecord
  /** Changes the jobs that `listJobs` returns for a query with `due`. Default: no change. */
  readonly due?: (jobs: readonly JobRecord[]) => readonly JobRecord[]
}

/** Returns a storage that forwards each call to `storage`, and changes the records in the answers as `corruption` says. */
function corrupted(storage: Storage, corruption: Corruption): Storage {
  const { occurrence = (record) => record, job = (head) => head, counts = (said) => said } = corruption
  const { due = (jobs) => jobs } = corruption
  return wrapStorage(storage, {
    async get(request) {
      const answer = await storage.get(request)
      return { ...answer, counts: answer.counts.map(counts) }
    },
    async listJobs(query) {
      const page = await storage.listJobs(query)
      const items = page.items.map(job)
      return { ...page, items: query.due === undefined ? items : due(items) }
    },
    async listOccurrences(query) {
      const page = await storage.listOccurrences(query)
      return { ...page, items: page.items.map(occurrence).filter((record) => record !== null) }
    },
  })
}

const at = (name: string, index: number) => slotAddress({ id: jobId(name), name, version: 1 }, index).id

/** The id of the record that stores slots 1 to 5 of the job "late" as missed. */
const range = missedEntry({ id: jobId('late'), name: 'late', version: 1 }, 1, 5).id

/** Returns a corruption that changes the record with this id; `null` removes the record. */
function change(id: string, members: Partial<OccurrenceRecord> | null): Corruption {
  return {
    occurrence: (record) => (record.id !== id ? record : members === null ? null : { ...record, ...members }),
  }
}

function changeJob(name: string, members: Partial<JobRecord>): Corruption {
  return { job: (head) => (head.name === name ? { ...head, ...members } : head) }
}

const attempt = { number: 1, state: 'succeeded', startedAt: 1, endedAt: 2 } as const

const corruptions: readonly (readonly [string, LedgerRule, Corruption])[] = [
  ['a slot under the id of another', 'id', change(at('skip', 2), { scheduledAt: slotAt(2) + 1 })],
  ['a missed range under the id of its first slot', 'id', change(range, { id: at('late', 1) })],
  ['a trigger that took the id of a slot', 'id', change(at('queue', 3), { kind: 'trigger' })],
  ['a finished record without the instant of its end', 'state', change(at('queue', 1), { finishedAt: null })],
  ['a running record with the instant of an end', 'state', change(at('queue', 2), { finishedAt: slotAt(3) })],
  ['a running record without a deadline', 'state', change(at('queue', 2), { deadlineAt: null })],
  ['a skipped record without a reason', 'state', change(at('skip', 2), { reason: null })],
  ['a range that begins elsewhere', 'state', change(range, { details: { span: { from: 1, to: 9, count: 2 } } })],
  ['a running record without an owner', 'token', change(at('queue', 2), { owner: null })],
  [
    'a completed record that no node claimed',
    'token',
    change(at('queue', 1), { token: 0, owner: null, startedAt: null }),
  ],
  [
    'a queued record with task runs',
    'token',
    change(at('queue', 3), { runs: [{ task: 'x', state: 'running', attempts: [] }] }),
  ],
  ['more rescues than tokens that were taken back', 'token', change(at('queue', 2), { rescues: 1 })],
  [
    'attempts with a gap',
    'attempts',
    change(at('queue', 1), {
      runs: [{ task: 'x', state: 'completed', attempts: [attempt, { ...attempt, number: 3 }] }],
    }),
  ],
  [
    'an attempt that goes on after its occurrence ended',
    'attempts',
    change(at('queue', 1), {
      runs: [{ task: 'x', state: 'running', attempts: [{ ...attempt, state: 'running', endedAt: null }] }],
    }),
  ],
  [
    'two running at once',
    'overlap',
    change(at('queue', 3), {
      state: 'running',
      token: 1,
      owner: { node: 'n', incarnation: 'n-1' },
      startedAt: slotAt(3),
      deadlineAt: slotAt(13),
    }),
  ],
  ['one pending beside one running', 'overlap', change(at('queue', 3), { state: 'pending' })],
  [
    'a queue that nothing will wake',
    'stranded',
    change(at('queue', 2), { state: 'failed', finishedAt: slotAt(9), deadlineAt: null }),
  ],
  [
    'a queue of a job that lets occurrences overlap',
    'stranded',
    changeJob('queue', { overlap: { policy: 'allow', maxQueued: 1 } }),
  ],
  ['a slot without an entry', 'hole', change(at('skip', 2), null)],
  [
    'a range that ends early',
    'hole',
    change(range, { details: { span: { from: slotAt(1), to: slotAt(4), count: 4 } } }),
  ],
  ['more starts than the rate looks at', 'start rate', changeJob('rated', { starts: [slotAt(1), slotAt(2)] })],
  ['starts of a job without a rate', 'start rate', changeJob('skip', { starts: [slotAt(1)] })],
  ['two starts within an interval', 'start rate', change(at('rated', 2), { startedAt: slotAt(2) - 1 })],
  ['a watermark behind its slots', 'watermark', changeJob('skip', { watermark: slotAt(1) })],
  ['a next instant that is past', 'watermark', changeJob('skip', { nextAt: slotAt(2) })],
  ['a floor that is not before the next slot', 'watermark', changeJob('skip', { pruneFloor: slotAt(3) })],
  ['an occurrence of a version to come', 'version', change(at('skip', 2), { jobVersion: 2 })],
  ['a head with another fingerprint than its version', 'version', changeJob('late', { fingerprint: 'other' })],
  [
    'a record that the list of live ones does not know in its state',
    'live',
    change(at('queue', 2), { state: 'completed', finishedAt: slotAt(9), deadlineAt: null }),
  ],
]

const dueCorruptions: readonly (readonly [string, NonNullable<Corruption['due']>])[] = [
  ['a job that is not found by its next instant', (jobs) => jobs.slice(1)],
  ['a job that is found twice', (jobs) => [...jobs.slice(0, 1), ...jobs]],
  ['jobs in another order than that of their next instants', (jobs) => jobs.toReversed()],
  [
    'a job that is found at the instant that it had before',
    (jobs) => jobs.map((job) => ({ ...job, nextAt: slotAt(1) })),
  ],
]

const countCorruptions: readonly (readonly [string, Corruption])[] = [
  ['a sum of one job that is too great', { counts: (said, index) => (index === 1 ? { ...said, queued: 9 } : said) }],
  ['a sum of all that is too small', { counts: (said, index) => (index === 0 ? { ...said, running: 1 } : said) }],
]

const expectations: LedgerExpectations = { slots: everyMinute }

describe('checkLedger of the conformance kit', () => {
  it('reports no violation for a correct ledger, and counts its jobs and occurrences', async () => {
    expect(await checkLedger(await soundLedger(), expectations)).toEqual({ jobs: 4, occurrences: 11, violations: [] })
  })

  it.each(corruptions)(
    'reports this inconsistency of a ledger: %s; the name of the reported rule is `%s`',
    async (_name, rule, corruption) => {
      const { violations } = await checkLedger(corrupted(await soundLedger(), corruption), expectations)
      expect(violations.map((violation) => violation.rule)).toContain(rule)
    },
  )

  it.each(dueCorruptions)(
    'reports an inconsistent list of due jobs by the rule `due`, and by no other rule: %s',
    async (_name, due) => {
      const { violations } = await checkLedger(corrupted(await soundLedger(), { due }))
      expect(new Set(violations.map(({ rule }) => rule))).toEqual(new Set(['due']))
    },
  )

  it.each(countCorruptions)(
    'reports inconsistent counts by the rule `counts`, and by no other rule: %s',
    async (_name, corruption) => {
      const { violations } = await checkLedger(corrupted(await soundLedger(), corruption), expectations)
      expect(violations.map(({ rule }) => rule)).toEqual(['counts'])
    },
  )

  it('reports a storage that returns no counts of occurrences', async () => {
    const storage = await soundLedger()
    const silent = wrapStorage(storage, {
      get: async (request) => ({ ...(await storage.get(request)), counts: undefined as never }),
    })
    const { violations } = await checkLedger(silent, expectations)
    expect(new Set(violations.map(({ rule }) => rule))).toEqual(new Set(['counts']))
  })

  it('with the option `atRest`, which says that all work has ended, reports live occurrences', async () => {
    const storage = await soundLedger()
    const { violations } = await checkLedger(storage, { ...expectations, atRest: true })
    expect(new Set(violations.map(({ rule }) => rule))).toEqual(new Set(['unfinished']))
    expect(violations).toHaveLength(5)
  })

  it('reports overlapping runs only if the caller requires exclusive runs', async () => {
    const storage = corrupted(await soundLedger(), change(at('queue', 3), { state: 'pending' }))
    const { violations } = await checkLedger(storage, { exclusive: () => false })
    expect(violations.filter(({ rule }) => rule === 'overlap')).toEqual([])
  })

  it('accepts slots after the watermark only for jobs that the caller declares as realigned', async () => {
    const storage = corrupted(await soundLedger(), changeJob('skip', { watermark: slotAt(1) }))
    const { violations } = await checkLedger(storage, { setBack: (job) => job.name === 'skip' })
    expect(violations).toEqual([])
    const others = await checkLedger(storage, { setBack: (job) => job.name !== 'skip' })
    expect(others.violations.map(({ rule }) => rule)).toContain('watermark')
  })

  it('accepts missing slots at or below the prune floor', async () => {
    const storage = await soundLedger()
    await storage.prune({ now: slotAt(9), jobId: jobId('skip'), before: slotAt(9), keep: 0, limit: 100 })
    expect((await checkLedger(storage, expectations)).violations).toEqual([])
  })

  describe('with the option oneClock', () => {
    /** Returns a storage in which the second and the third slot were queued in this order while the first slot ran. */
    async function inOrder(): Promise<Storage> {
      const storage = memoryStorage()
      const node = new TestNode(storage)
      const job = await node.createJob({ name: 'queue', policy: 'queue' })
      let held = await node.startSlot(job, 1)
      for (const index of [2, 3]) await node.addSlot(job, index, 'queued')
      for (const index of [4, 5]) {
        await node.finish(held, { now: slotAt(index) })
        held = await node.claimOne(slotAt(index))
      }
      return storage
    }

    const third = (details: OccurrenceRecord['details']) => change(at('queue', 3), { details })

    it('reports an occurrence that started while another occurrence waited that precedes it in the order', async () => {
      const storage = corrupted(await inOrder(), third({ priority: 1 }))
      expect((await checkLedger(storage)).violations).toEqual([])
      const { violations } = await checkLedger(storage, { oneClock: true })
      expect(violations.map(({ rule, occurrenceId: id }) => [rule, id])).toEqual([['order', at('queue', 2)]])
      expect(violations[0]?.message).toMatch(`before ${at('queue', 3)}, which waited and comes first`)
    })

    it('accepts starts in order, and accepts that an occurrence starts out of order if it was created late, delayed or started again', async () => {
      const sound = await inOrder()
      const more: Corruption[] = [
        {},
        third({ priority: -1 }),
        change(at('queue', 3), { details: { priority: 1 }, createdAt: slotAt(4) }),
        change(at('queue', 3), { details: { priority: 1 }, dueAt: slotAt(3) + 1 }),
        change(at('queue', 3), { details: { priority: 1 }, token: 2 }),
      ]
      for (const corruption of more) {
        const { violations } = await checkLedger(corrupted(sound, corruption), { oneClock: true })
        expect(violations).toEqual([])
      }
    })

    it('ignores replaced jobs, and jobs with several places, a start rate or no queue', async () => {
      const storage = corrupted(await inOrder(), third({ priority: 1 }))
      const startRate = { limit: 1, intervalMs: 1 }
      for (const members of [
        { version: 2, lineage: ['print-0'] },
        { overlap: { policy: 'queue', maxQueued: 9, maxConcurrency: 2 } },
        { overlap: { policy: 'queue', maxQueued: 9, startRate } },
        { overlap: { policy: 'queue_one', maxQueued: 9 } },
      ] as const) {
        const { violations } = await checkLedger(corrupted(storage, changeJob('queue', members)), { oneClock: true })
        expect(violations.filter(({ rule }) => rule === 'order')).toEqual([])
      }
    })
  })

  it('is called by assertLedger, which throws an error that lists the violations', async () => {
    const storage = corrupted(await soundLedger(), change(at('skip', 2), null))
    await expect(assertLedger(storage, expectations)).rejects.toThrow(
      /hole: job_[\w-]+: the slot 2026-01-01T00:02:00.417Z/,
    )
    await expect(assertLedger(await soundLedger(), expectations)).resolves.toMatchObject({ jobs: 4 })
  })

  it('throws for a storage whose pages never end', async () => {
    const storage = await soundLedger()
    const endless = wrapStorage(storage, {
      listJobs: async (query) => ({ ...(await storage.listJobs(query)), cursor: 'again' }),
    })
    await expect(checkLedger(endless)).rejects.toThrow(/paging never ends/)
  })

  it('derives the same ids as core', () => {
    expect(at('skip', 2)).toBe(occurrenceId(jobId('skip'), slotAt(2)))
  })
})
