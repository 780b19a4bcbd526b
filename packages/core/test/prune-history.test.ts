import { describe, expect, it } from 'vitest'
import { type JobId, jobId } from '../src/ids.ts'
import { pruneHistory } from '../src/storage/ledger/prune-history.ts'
import {
  createdJob,
  type HistoryRemoval,
  type HistoryRemover,
  type OccurrenceRecord,
  type PruneRequest,
} from '../src/storage/index.ts'
import { RecordLedger } from './support/record-ledger.ts'
import { Records } from './support/records.ts'
import { AsyncData, AsyncFixture } from './support/async-fixture.ts'
import { content, record } from './support/ledger-calls.ts'

interface World {
  readonly records: Records
  readonly removals: HistoryRemoval[]
  readonly forgotten: JobId[]
  /** The ledger calls `answer` before each removal. After `null`, `removeHistory` removes nothing and returns `null`. */
  answer: ((removal: HistoryRemoval) => 'go on' | null) | null
  prune(request?: Partial<PruneRequest>): ReturnType<typeof pruneHistory>
}

/** Makes a ledger that records the removals. */
function world(records = new Records()): World {
  const ledger = new RecordLedger({
    opener: 'recordStorage()',
    capabilities: { maxBatch: 10, multiProcess: false, durability: 'none' },
    records,
    commit: () => undefined,
    close: () => undefined,
  })
  const made: World = {
    records,
    removals: [],
    forgotten: [],
    answer: null,
    prune(request = {}) {
      return pruneHistory(ledger, history, {
        now: 10_000,
        jobId: null,
        before: 10_000,
        keep: 0,
        limit: 100,
        ...request,
      })
    },
  }
  const history: HistoryRemover = {
    removeHistory(removal) {
      made.removals.push(removal)
      return made.answer?.(removal) === null ? null : ledger.removeHistory(removal)
    },
    forget(id, before) {
      made.forgotten.push(id)
      ledger.forget(id, before)
    },
  }
  return made
}

/** Adds a job with finished occurrences at these instants. */
function addJob(records: Records, name: string, instants: readonly number[], nextAt: number | null = 5000): JobId {
  const id = jobId(name)
  const job = { ...createdJob(id, content(name, 'skip'), null, 0), nextAt }
  records.apply({ table: 'jobs', key: id, value: job })
  for (const at of instants) add(records, record(id, at, { state: 'completed', finishedAt: at }))
  return id
}

function add(records: Records, value: OccurrenceRecord): void {
  records.apply({ table: 'occurrences', key: value.id, value })
}

function instantsOf(records: Records): readonly number[] {
  return [...records.occurrences.values()].map(({ scheduledAt }) => scheduledAt).sort((left, right) => left - right)
}

describe('pruneHistory', () => {
  it('removes history, and raises the prune floor to the last removed slot, or to the end of a removed missed span', async () => {
    const { records, removals, prune } = world()
    const id = addJob(records, 'alpha', [100, 300])
    const span = { from: 200, to: 900, count: 8 }
    add(records, record(id, 200, { state: 'missed', finishedAt: 950, details: { span } }))
    expect(await prune()).toEqual({ removed: 3, more: false })
    expect(
      removals.map(({ floor, occurrences }) => [floor, occurrences.map(({ scheduledAt }) => scheduledAt)]),
    ).toEqual([[900, [100, 200, 300]]])
    expect(records.jobs.get(id)?.pruneFloor).toBe(900)
  })

  it('removes only occurrences that are final, older than the given instant, and before their job’s next slot', async () => {
    const { records, prune } = world()
    const id = addJob(records, 'alpha', [100, 200, 300, 400], 300)
    add(records, record(id, 50, { state: 'running' }))
    expect(await prune({ before: 200 })).toEqual({ removed: 1, more: false })
    expect(instantsOf(records)).toEqual([50, 200, 300, 400])
    expect(await prune()).toEqual({ removed: 1, more: false })
    expect(instantsOf(records)).toEqual([50, 300, 400])
  })

  it.each([
    [0, []],
    [1, [400]],
    [3, [200, 300, 400]],
    [4, [100, 200, 300, 400]],
    [9, [100, 200, 300, 400]],
  ])('keeps the latest %s occurrences of each job', async (keep, left) => {
    const { records, prune } = world()
    addJob(records, 'alpha', [100, 200, 300, 400])
    expect(await prune({ keep })).toEqual({ removed: 4 - left.length, more: false })
    expect(instantsOf(records)).toEqual(left)
  })

  it('removes the oldest occurrences up to the limit, and the rest in the next call', async () => {
    const { records, forgotten, prune } = world()
    const id = addJob(records, 'alpha', [300, 100, 200])
    expect(await prune({ limit: 2 })).toEqual({ removed: 2, more: true })
    expect(instantsOf(records)).toEqual([300])
    expect(forgotten).toEqual([])
    expect(await prune({ limit: 2 })).toEqual({ removed: 1, more: false })
    expect(forgotten).toEqual([id])
    expect(await prune({ limit: 2 })).toEqual({ removed: 0, more: false })
  })

  it('applies its limit to all jobs together, and reads no further job once the limit is reached', async () => {
    const { records, removals, prune } = world()
    const jobs = ['alpha', 'beta', 'gamma'].map((name) => addJob(records, name, [100, 200])).sort()
    expect(await prune({ limit: 3 })).toEqual({ removed: 3, more: true })
    expect(removals.map(({ jobId: job, occurrences }) => [job, occurrences.length])).toEqual([
      [jobs[0], 2],
      [jobs[1], 1],
    ])
  })

  it('returns `more: true` if it has reached its limit and a further job has history', async () => {
    const { records, prune } = world()
    for (const name of ['alpha', 'beta']) addJob(records, name, [100])
    expect(await prune({ limit: 1 })).toEqual({ removed: 1, more: true })
    expect(await prune({ limit: 1 })).toEqual({ removed: 1, more: false })
  })

  it('removes the history of one job only, if the request names that job', async () => {
    const { records, prune } = world()
    const [alpha] = ['alpha', 'beta'].map((name) => addJob(records, name, [100]))
    expect(await prune({ jobId: alpha ?? null })).toEqual({ removed: 1, more: false })
    expect(records.occurrences.size).toBe(1)
    expect(await prune({ jobId: jobId('absent') })).toEqual({ removed: 0, more: false })
  })

  it('reads the history again if the schedule of the job changed after pruneHistory read the job', async () => {
    const made = world()
    const id = addJob(made.records, 'alpha', [100, 200, 300], 1000)
    made.answer = () => {
      made.answer = null
      const job = made.records.jobs.get(id)
      if (job !== undefined) made.records.apply({ table: 'jobs', key: id, value: { ...job, nextAt: 200 } })
      return null
    }
    expect(await made.prune()).toEqual({ removed: 1, more: false })
    expect(made.removals.map(({ floor }) => floor)).toEqual([300, 100])
    expect(instantsOf(made.records)).toEqual([200, 300])
  })

  it('stops if another storage call removes the job during the prune', async () => {
    const made = world()
    const id = addJob(made.records, 'alpha', [100])
    made.answer = () => {
      made.records.apply({ table: 'jobs', key: id, value: null })
      return null
    }
    expect(await made.prune()).toEqual({ removed: 0, more: false })
    expect(made.removals).toHaveLength(1)
    expect(made.forgotten).toEqual([])
  })

  it('removes a tombstone and its versions if the job has no occurrences and was deleted before the given instant', async () => {
    const { records, prune } = world()
    const id = addJob(records, 'alpha', [100], null)
    const job = records.jobs.get(id)
    if (job === undefined) throw new TypeError('no job')
    records.apply({ table: 'jobs', key: id, value: { ...job, deletedAt: 500 } })
    expect(await prune({ before: 500 })).toEqual({ removed: 1, more: false })
    expect(records.jobs.has(id)).toBe(true)
    expect(await prune({ before: 501 })).toEqual({ removed: 0, more: false })
    expect(records.jobs.has(id)).toBe(false)
  })

  it('reads only the latest 10 of 2,500 occurrences if none is old enough and `keep` is 10', async () => {
    const data = new AsyncData()
    addJob(
      data.records,
      'alpha',
      Array.from({ length: 2500 }, (_, index) => index + 1),
    )
    const ledger = new AsyncFixture({ unit: 'job', data })
    let read = 0
    const list = ledger.listOccurrences.bind(ledger)
    ledger.listOccurrences = async (query) => {
      const page = await list(query)
      read += page.items.length
      return page
    }
    const request = { now: 10_000, jobId: null, before: 1, keep: 10, limit: 1250 }
    expect(await pruneHistory(ledger, ledger, request)).toEqual({ removed: 0, more: false })
    expect(read).toBe(10)
  })

  it('lets the event loop run between two pages of a synchronous ledger', async () => {
    const { records, prune } = world()
    const instants = Array.from({ length: 2500 }, (_, index) => index + 1)
    addJob(records, 'alpha', instants)
    let turns = 0
    let next: NodeJS.Immediate
    const count = (): void => {
      next = setImmediate(() => {
        turns++
        count()
      })
    }
    count()
    // The prune reads three pages of the latest 1,200 occurrences, and one page of the oldest ones.
    expect(await prune({ keep: 1200, limit: 100 })).toEqual({ removed: 100, more: true })
    clearImmediate(next!)
    expect(turns).toBeGreaterThanOrEqual(2)
    expect(instantsOf(records)).toEqual(instants.slice(100))
  })

  it('removes the same history over several pages and with an asynchronous ledger', async () => {
    const data = new AsyncData()
    const instants = Array.from({ length: 2500 }, (_, index) => index + 1)
    addJob(data.records, 'alpha', instants)
    const ledger = new AsyncFixture({ unit: 'job', data })
    const request = { now: 10_000, jobId: null, before: 10_000, keep: 1200, limit: 1250 }
    expect(await pruneHistory(ledger, ledger, request)).toEqual({ removed: 1250, more: true })
    expect(await pruneHistory(ledger, ledger, request)).toEqual({ removed: 50, more: false })
    expect(instantsOf(data.records)).toEqual(instants.slice(1300))
  })
})
