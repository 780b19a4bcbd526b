import { describe, expect, it } from 'vitest'
import { jobId } from '../src/ids.ts'
import { type RecordChange, RecordLedger, Records, type Storage, storageFromLedger } from '../src/storage/index.ts'
import { addressOf, content, createJobs, finish, owner, record, slot, statesOf } from './support/ledger-calls.ts'

function open(commit: (changes: readonly RecordChange[]) => void = () => undefined) {
  const records = new Records()
  const state = { closed: 0 }
  const ledger = new RecordLedger({
    opener: 'recordStorage()',
    capabilities: { maxBatch: 10, multiProcess: false, durability: 'none' },
    records,
    commit,
    close: () => {
      state.closed += 1
    },
  })
  return { records, ledger, state, storage: storageFromLedger(ledger) }
}

/** Returns all records as text, to compare the state before and after a step. */
function stored(records: Records): string {
  return JSON.stringify([
    records.snapshot().toSorted((left, right) => (left.key < right.key ? -1 : 1)),
    records.live.size,
  ])
}

async function createOne(storage: Storage, name = 'alpha') {
  const [job] = await createJobs(storage, [name], 'queue')
  if (job === undefined) throw new TypeError('no job')
  return job
}

describe('a record ledger', () => {
  it('discards the whole step if the commit throws, and continues to work', async () => {
    const failure = { isOn: false }
    const { records, storage } = open(() => {
      if (failure.isOn) throw new Error('the disk is full')
    })
    const job = await createOne(storage)
    await storage.createOccurrences({ now: 200, owner, items: [slot(job, 100, []), slot(job, 200)] })
    const before = stored(records)
    failure.isOn = true
    // Together, these calls make every kind of change. For example, the first call ends an occurrence, wakes another
    // occurrence and changes the head.
    const refused = [
      () => storage.settle({ now: 300, items: [finish(job, 100)] }),
      () => storage.createOccurrences({ now: 300, owner, items: [slot(job, 300), slot(job, 400)] }),
      () => storage.saveJobs({ now: 300, changes: [{ kind: 'delete', id: job, expectedVersion: null }] }),
      () =>
        storage.saveJobs({ now: 300, changes: [{ kind: 'create', id: jobId('b'), content: content('b', 'skip') }] }),
    ]
    for (const call of refused) {
      await expect(call()).rejects.toThrow('the disk is full')
      expect(stored(records)).toBe(before)
    }
    failure.isOn = false
    const [settled] = await storage.settle({ now: 300, items: [finish(job, 100)] })
    expect(settled).toMatchObject({ outcome: 'ok', woken: addressOf(job, 200) })
    expect(statesOf(await storage.createOccurrences({ now: 300, owner, items: [slot(job, 300)] }))).toEqual(['queued'])
  })

  it('rejects a commit that returns a promise, discards its step, and leaves no unhandled rejection', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', note)
    const failure = { isOn: false }
    const later = async () => {
      throw new Error('the disk is full')
    }
    const { ledger, records, storage } = open(() => (failure.isOn ? later() : undefined))
    const job = await createOne(storage)
    await storage.createOccurrences({ now: 200, owner, items: [slot(job, 100, [])] })
    await storage.settle({ now: 200, items: [finish(job, 100)] })
    const before = stored(records)
    failure.isOn = true
    await expect(
      storage.createOccurrences({ now: 300, owner, items: [slot(job, 200), slot(job, 300)] }),
    ).rejects.toMatchObject({ code: 'STORAGE_FAILED', field: 'commit', remedy: expect.stringContaining('AsyncLedger') })
    expect(stored(records)).toBe(before)
    const removal = { jobId: job, occurrences: [addressOf(job, 100)], keys: [], floor: 100 }
    expect(() => ledger.removeHistory(removal)).toThrow('answered a promise')
    expect(stored(records)).toBe(before)
    // Node.js reports unhandled rejections after the microtasks, so the test waits for one turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  it('commits one change for each record that a step changes, and commits nothing if a step changes no record', async () => {
    const commits: string[][] = []
    const { storage } = open((changes) => commits.push(changes.map(({ table }) => table)))
    const job = await createOne(storage)
    await storage.createOccurrences({ now: 200, owner, items: [slot(job, 100), slot(job, 200)] })
    await storage.createOccurrences({ now: 200, owner, items: [slot(job, 200)] })
    await storage.claim({ now: 0, owner, limit: 1, exceptHandlerKeys: [], sweep: false })
    expect(commits).toEqual([
      ['jobs', 'versions'],
      ['occurrences', 'occurrences', 'jobs'],
    ])
  })

  it('raises the prune floor and removes the history in the same commit, in this order', async () => {
    const commits: RecordChange[][] = []
    const { ledger, records, storage } = open((changes) => commits.push([...changes]))
    const job = await createOne(storage)
    await storage.createOccurrences({ now: 200, owner, items: [slot(job, 100, [])] })
    await storage.settle({ now: 200, items: [finish(job, 100)] })
    commits.length = 0
    const occurrences = [addressOf(job, 100), addressOf(job, 150)]
    expect(ledger.removeHistory({ jobId: job, occurrences, keys: [], floor: 200 })).toBeNull()
    expect(ledger.removeHistory({ jobId: jobId('absent'), occurrences, keys: [], floor: 100 })).toBeNull()
    expect(commits).toEqual([])
    expect(ledger.removeHistory({ jobId: job, occurrences, keys: [], floor: 100 })).toBe(1)
    expect(commits.map((changes) => changes.map(({ table }) => table))).toEqual([['jobs', 'occurrences']])
    expect(records.jobs.get(job)?.pruneFloor).toBe(100)
    ledger.removeHistory({ jobId: job, occurrences: [], keys: [], floor: 50 })
    expect(records.jobs.get(job)?.pruneFloor).toBe(100)
  })

  it('keeps the history and the prune floor if the commit of a removal throws', async () => {
    const failure = { isOn: false }
    const { ledger, records, storage } = open(() => {
      if (failure.isOn) throw new Error('the disk is full')
    })
    const job = await createOne(storage)
    await storage.createOccurrences({ now: 200, owner, items: [slot(job, 100, [])] })
    await storage.settle({ now: 200, items: [finish(job, 100)] })
    const before = stored(records)
    failure.isOn = true
    const removal = { jobId: job, occurrences: [addressOf(job, 100)], keys: [], floor: 100 }
    expect(() => ledger.removeHistory(removal)).toThrow('the disk is full')
    expect(stored(records)).toBe(before)
  })

  it('calls the given function `close` once, and rejects every later storage call with STORAGE_CLOSED', async () => {
    const { state, storage } = open()
    await storage.close()
    await storage.close()
    expect(state.closed).toBe(1)
    await expect(storage.get({})).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
  })
})

describe('the class Records', () => {
  const job = jobId('alpha')

  it('lists an occurrence as live only while it is pending, queued or running', () => {
    const records = new Records()
    const first = record(job, 100)
    const isLive = (value: typeof first | null) => {
      records.apply({ table: 'occurrences', key: first.id, value })
      return records.live.has(first.id)
    }
    expect(isLive(first)).toBe(true)
    expect(isLive({ ...first, state: 'failed' })).toBe(false)
    expect(isLive({ ...first, state: 'queued' })).toBe(true)
    expect(isLive(null)).toBe(false)
  })
})
