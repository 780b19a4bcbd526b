import { type JobId, jobId } from '@jobistemer/core'
import type {
  CreateItem,
  JobChange,
  JobRecord,
  LiveState,
  OverlapPolicy,
  PauseRecord,
  Storage,
} from '@jobistemer/core/storage'
import { addJob, contentOf, finishItem, owner, slotAt, slotItem, start, triggerItem } from '@jobistemer/test-kit'
import { describe, expect, it, vi } from 'vitest'
import { scriptsOf } from '../src/client.ts'
import { quiet } from './prefixes.ts'
import { useServers } from './servers.ts'

const servers = useServers()
const now = slotAt(20)
/** Number of occurrences: to move all of them takes several script calls. */
const many = 3000
const claim = { now, owner, limit: 1000, exceptHandlerKeys: [], sweep: false }
const bounded = 2500

async function begin(policy: OverlapPolicy) {
  const server = await servers.start()
  const storage = servers.open({ url: server.url, logger: quiet, commandTimeout: 60_000 })
  const client = servers.client(server.url)
  /** Returns how often scripts call a command during `run`. */
  const callsOf = async (command: string, run: () => Promise<unknown>): Promise<number> => {
    await client.config('RESETSTAT')
    await run()
    const stats = await client.info('commandstats')
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  }
  const ready = () => client.zcard('{jobistemer:0}:ready')
  const content = { ...contentOf('alpha', policy), overlap: { policy, maxQueued: 100_000 } }
  const change = { kind: 'create', id: jobId('alpha'), content } as const
  return { storage, url: server.url, callsOf, ready, job: (await save(storage, change, 1, start)).job }
}

/** Creates triggers, one for each millisecond. Returns their ids. */
async function fill(storage: Storage, job: JobId, count: number, from = slotAt(1) + 1): Promise<readonly string[]> {
  const items = Array.from({ length: count }, (_, key) => ({ ...triggerItem(job, key, from + key), runs: null }))
  const answers = await storage.createOccurrences({ now, owner, items })
  expect(answers.every((answer) => answer.outcome === 'created' && answer.state !== 'skipped')).toBe(true)
  return items.map(({ id }) => id)
}

const head = async (storage: Storage, id: JobId) => (await storage.get({ jobs: [id] })).jobs[0] as JobRecord
const countsOf = async (storage: Storage, id: JobId) => (await storage.get({ counts: [id] })).counts[0]

async function replace(
  storage: Storage,
  id: JobId,
  policy: OverlapPolicy,
  waiting: 'keep' | 'cancel' = 'keep',
): Promise<JobChange> {
  const job = await head(storage, id)
  const overlap = { ...job.overlap, policy }
  return {
    kind: 'replace',
    id,
    content: { ...job, overlap, fingerprint: `print-${job.version + 1}` },
    expectedVersion: job.version,
    expectedWatermark: job.watermark,
    waiting,
  }
}

async function save(storage: Storage, change: JobChange, cancelLimit = 250, at = now) {
  const [answer] = await storage.saveJobs({ now: at, changes: [change], cancelLimit })
  if (answer?.outcome !== 'saved') throw new Error(`The change was answered ${answer?.outcome}.`)
  return answer
}

const pause = (id: JobId, paused: PauseRecord | null): JobChange => ({ kind: 'pause', id, paused })
const forGood: PauseRecord = { at: now, actor: null, reason: null }

async function claimAll(storage: Storage, at = now): Promise<readonly string[]> {
  const ids: string[] = []
  for (;;) {
    const { claimed, more } = await storage.claim({ ...claim, now: at })
    ids.push(...claimed.map(({ id }) => id))
    if (!more) return ids
  }
}

describe('superseded slots in Redis that wait behind many triggers, if an update cancels only the slots,', () => {
  it('cost each storage call a limited number of reads, and no reads once all superseded slots are canceled', {
    timeout: 120_000,
  }, async () => {
    const { storage, callsOf, job } = await begin('queue')
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
    const slot = (index: number) => ({ ...slotItem(job.id, index), runs: null })
    await storage.createOccurrences({ now: slotAt(2), owner, items: [slot(2)] })
    // A search through all triggers would read more than each limit below.
    await fill(storage, job.id, 5200, slotAt(2) + 1)
    const behind = [slot(3), slot(4), slot(5)]
    await storage.createOccurrences({ now, owner, items: behind })
    const change = await replace(storage, job.id, 'queue', 'cancel')
    const first = await save(storage, change, 1)
    expect([first.canceled.map(({ id }) => id), first.more]).toEqual([[slot(2).id], true])

    const triggers = Array.from({ length: 50 }, (_, key) => {
      return { ...triggerItem(job.id, 50_000 + key, now), jobVersion: 2, runs: null }
    })
    expect(await callsOf('hget', () => storage.createOccurrences({ now, owner, items: triggers }))).toBeLessThan(
      bounded,
    )
    const finish = { ...finishItem(job.id, 1), takeNext: owner }
    expect(await callsOf('hget', () => storage.settle({ now, items: [finish] }))).toBeLessThan(bounded)
    expect(await countsOf(storage, job.id)).toEqual({ pending: 0, queued: 5200 - 1 + 3 + 50, running: 1 })

    // The calls above have stored how far their search for superseded slots came. The repeated update continues this search,
    // and cancels slot 3.
    const second = await save(storage, change, 1)
    expect([second.canceled.map(({ id }) => id), second.more]).toEqual([[slot(3).id], true])
    const sweep = () => storage.claim({ ...claim, limit: 0, sweep: true })
    for (let sweeps = 0; sweeps < 5 && (await head(storage, job.id)).cancelsBelow !== null; sweeps++) {
      expect(await callsOf('hget', sweep)).toBeLessThan(2 * bounded)
    }
    expect((await head(storage, job.id)).cancelsBelow).toBe(null)
    const { occurrences } = await storage.get({ occurrences: behind.map(({ id }) => id) })
    expect(new Set(occurrences.map((record) => `${record?.state} ${record?.reason}`))).toEqual(
      new Set(['canceled updated']),
    )
    expect(await countsOf(storage, job.id)).toEqual({ pending: 0, queued: 5200 - 1 + 50, running: 1 })
  })

  it('are canceled by claims with `sweep`, each of which continues where the previous claim ended', {
    timeout: 120_000,
  }, async () => {
    const { storage, job } = await begin('queue')
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
    const slot = (index: number) => ({ ...slotItem(job.id, index), runs: null })
    await storage.createOccurrences({ now: slotAt(2), owner, items: [slot(2)] })
    await fill(storage, job.id, 5500, slotAt(2) + 1)
    await storage.createOccurrences({ now, owner, items: [slot(3)] })
    await save(storage, await replace(storage, job.id, 'queue', 'cancel'), 1)
    for (let sweeps = 0; (await head(storage, job.id)).cancelsBelow !== null; sweeps++) {
      expect(sweeps).toBeLessThan(20)
      const { more } = await storage.claim({ ...claim, limit: 0, sweep: true })
      expect(more).toBe((await head(storage, job.id)).cancelsBelow !== null)
    }
    expect((await storage.get({ occurrences: [slot(3).id] })).occurrences[0]).toMatchObject({ state: 'canceled' })
  })
})

describe('thousands of waiting occurrences of one job in Redis', () => {
  it('do not start while the job is paused, and start after the resume', async () => {
    const { storage, callsOf, ready, job } = await begin('allow')
    const ids = await fill(storage, job.id, many)
    const all = { pending: many, queued: 0, running: 0 }
    expect(await callsOf('zrem', () => save(storage, pause(job.id, forGood)))).toBeLessThan(bounded)
    expect(await countsOf(storage, job.id)).toEqual(all)
    expect(await storage.claim(claim)).toMatchObject({ claimed: [], more: false, nextDueAt: null })
    expect(await ready()).toBe(0)
    expect(await callsOf('zadd', () => save(storage, pause(job.id, null)))).toBeLessThan(bounded)
    // After the resume, only several claims together make all occurrences claimable. The job is paused again before any
    // of these claims.
    await save(storage, pause(job.id, forGood))
    expect(await storage.claim(claim)).toMatchObject({ claimed: [], more: false, nextDueAt: null })
    await save(storage, pause(job.id, null))
    expect(await countsOf(storage, job.id)).toEqual(all)
    expect(await claimAll(storage)).toEqual(ids)
  })

  it('become ready when the pause ends at its `until`', async () => {
    const { storage, ready, job } = await begin('allow')
    const ids = await fill(storage, job.id, many)
    await save(storage, pause(job.id, { ...forGood, until: slotAt(30) }))
    expect(await storage.claim(claim)).toMatchObject({ claimed: [], more: false, nextDueAt: slotAt(30) })
    expect(await ready()).toBe(0)
    expect(await claimAll(storage, slotAt(30))).toEqual(ids)
  })

  it('are canceled by claims if the job is deleted while it is paused', async () => {
    const { storage, callsOf, job } = await begin('allow')
    await fill(storage, job.id, many)
    await save(storage, pause(job.id, forGood))
    const change = { kind: 'delete', id: job.id, expectedVersion: null } as const
    expect(await callsOf('zadd', () => save(storage, change))).toBeLessThan(bounded)
    expect(await claimAll(storage)).toEqual([])
    expect(await countsOf(storage, job.id)).toEqual({ pending: 0, queued: 0, running: 0 })
  })

  it('are all woken before a claim takes any, if an update allows them to overlap', async () => {
    const { storage, callsOf, job } = await begin('queue')
    const ids = await fill(storage, job.id, many)
    const change = await replace(storage, job.id, 'allow')
    expect(await callsOf('hget', () => save(storage, change))).toBeLessThan(bounded)
    const counts = await countsOf(storage, job.id)
    expect([(counts?.pending ?? 0) + (counts?.queued ?? 0), counts?.running]).toEqual([many, 0])
    const { claimed } = await storage.claim({ ...claim, limit: 1 })
    expect(claimed.map(({ id }) => id)).toEqual(ids.slice(0, 1))
    expect(await countsOf(storage, job.id)).toEqual({ pending: many - 1, queued: 0, running: 1 })
    expect(await claimAll(storage)).toEqual(ids.slice(1))
  })

  it('stay queued if an update sets the overlap policy back to `queue` before a claim wakes them', async () => {
    const { storage, job } = await begin('queue')
    const ids = await fill(storage, job.id, many)
    await save(storage, await replace(storage, job.id, 'allow'))
    await save(storage, await replace(storage, job.id, 'queue'))
    expect(await claimAll(storage)).toEqual(ids.slice(0, 1))
    expect(await countsOf(storage, job.id)).toEqual({ pending: 0, queued: many - 1, running: 1 })
  })

  it('are displaced in several steps by one item of a call, and the next items of the call wait for the last step', async () => {
    const { storage, callsOf, job } = await begin('queue')
    const ids = await fill(storage, job.id, many)
    const other = await addJob(storage, 'beta')
    await save(storage, await replace(storage, job.id, 'queue_one'))
    const trigger = (key: number) => ({
      ...triggerItem(job.id, 90_000 + key, slotAt(10) + key),
      jobVersion: 2,
      runs: null,
    })
    const items = [trigger(1), slotItem(other.id, 1), trigger(2)]
    let answers: readonly unknown[] = []
    const calls = await callsOf('evalsha', async () => {
      answers = await storage.createOccurrences({ now, owner, items })
    })
    expect(calls).toBeGreaterThan(3)
    const [first, slot, last] = answers as { state: string; displaced: { id: string }[] }[]
    expect(first?.displaced.map(({ id }) => id)).toEqual(ids)
    expect([first?.state, slot?.state, last?.state]).toEqual(['pending', 'running', 'pending'])
    expect(last?.displaced.map(({ id }) => id)).toEqual([items[0]?.id])
    expect(await claimAll(storage)).toEqual([items[2]?.id])
    expect(await countsOf(storage, job.id)).toEqual({ pending: 0, queued: 0, running: 1 })
  })

  it('are not read by the slots of a job that cancels its running occurrences, if they are delayed', async () => {
    const { storage, callsOf, job } = await begin('cancel_running')
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
    const items = Array.from({ length: many }, (_, key) => triggerItem(job.id, key, slotAt(30) + key))
    await storage.createOccurrences({ now, owner, items })
    const create = () => storage.createOccurrences({ now, owner, items: [slotItem(job.id, 2)] })
    let answers: unknown
    expect(await callsOf('hget', async () => (answers = await create()))).toBeLessThan(100)
    expect(answers).toMatchObject([{ state: 'queued', cancelRequested: [{ id: slotItem(job.id, 1).id }] }])
  })

  it('are passed over by a prune in several steps, which removes all old ends between and behind them', async () => {
    const { storage, callsOf, job } = await begin('allow')
    // More than a script reads at once: one prune takes several scripts.
    const pruned = 3500
    const ends = [0, 1, 2, 3, 4, 5].map((index) => index * (pruned / 5))
    const items = Array.from({ length: pruned + 1 }, (_, key) => {
      const item = triggerItem(job.id, key, slotAt(1) + key)
      return ends.includes(key) ? { ...slotItem(job.id, 1), ...item, runs: slotItem(job.id, 1).runs } : item
    })
    await storage.createOccurrences({ now, owner, items })
    const finished = ends.map((key) => ({ ...finishItem(job.id, 1), ...items[key], runs: [] }))
    await storage.settle({ now, items: finished })
    await save(storage, {
      ...(await replace(storage, job.id, 'allow')),
      content: { ...job, nextAt: null },
    } as JobChange)
    const prune = (limit: number, keep: number) =>
      storage.prune({ now, jobId: limit === 1 ? job.id : null, before: now, keep, limit })
    expect(await prune(1, 0)).toEqual({ removed: 1, more: true })
    let answer: unknown
    expect(await callsOf('evalsha', async () => (answer = await prune(10, 2)))).toBeGreaterThan(1)
    expect(answer).toEqual({ removed: 3, more: false })
    expect(await prune(1, 1)).toEqual({ removed: 1, more: false })
    expect(await prune(10, 0)).toEqual({ removed: 1, more: false })
    expect(await countsOf(storage, job.id)).toEqual({ pending: pruned - 5, queued: 0, running: 0 })
  })

  it('are passed over by a prune, which keeps the newest ends although older occurrences end between its steps', async () => {
    const { storage, url, job } = await begin('allow')
    const isEnd = (key: number) => key >= 2300 && key <= 2340
    const items = Array.from({ length: 2500 }, (_, key) => {
      const item = triggerItem(job.id, key, slotAt(1) + key)
      return key < 5 || isEnd(key) ? { ...item, runs: slotItem(job.id, 1).runs } : item
    })
    await storage.createOccurrences({ now, owner, items })
    const finish = (some: typeof items) =>
      storage.settle({ now, items: some.map((item) => ({ ...finishItem(job.id, 1), ...item, runs: [] })) })
    await finish(items.filter((_, key) => isEnd(key)))
    await save(storage, {
      ...(await replace(storage, job.id, 'allow')),
      content: { ...job, nextAt: null },
    } as JobChange)
    const client = servers.client(url)
    const pruning = servers.open({ client })
    const prune = (before: number) => pruning.prune({ now, jobId: job.id, before, keep: 3, limit: 1000 })
    // After this call, the server has the script in its cache, so the next prune uses only `EVALSHA`.
    await prune(start)
    const send = scriptsOf(client).evalshaBuffer.bind(client)
    vi.spyOn(scriptsOf(client), 'evalshaBuffer').mockImplementationOnce(async (...values) => {
      const answer = await send(...values)
      await finish(items.slice(0, 5))
      return answer
    })
    expect(await prune(now)).toEqual({ removed: 38, more: false })
    const { occurrences } = await storage.get({ occurrences: items.map(({ id }) => id) })
    const kept = [...occurrences.keys()].filter((key) => occurrences[key]?.state === 'completed')
    expect(kept).toEqual([0, 1, 2, 3, 4, 2338, 2339, 2340])
  })

  it('are listed in pages, and for each page the storage reads about the number of records that the page contains', {
    timeout: 120_000,
  }, async () => {
    const { storage, callsOf, job } = await begin('allow')
    const slots = Array.from({ length: 1200 }, (_, index) => slotItem(job.id, index + 1))
    const ended = slots.slice(0, 1199)
    const later = slotAt(1200)
    await storage.createOccurrences({ now: later, owner, items: ended })
    await storage.settle({ now: later, items: ended.map((_, index) => finishItem(job.id, index + 1)) })
    await save(storage, await replace(storage, job.id, 'queue'))
    const items = Array.from({ length: many }, (_, key) => {
      // Claims take occurrences with a priority first or last, but the list contains them in the order of time.
      const priority = key % 500 === 0 ? 10 : key % 700 === 0 ? -10 : undefined
      const details = { requestKey: `key-${key}`, ...(priority !== undefined && { priority }) }
      return { ...triggerItem(job.id, key, later + key), jobVersion: 2, details }
    })
    await storage.createOccurrences({
      now: later + many,
      owner,
      items: [{ ...(slots[1199] as CreateItem), jobVersion: 2 }, ...items],
    })
    const ids = items.map(({ id }) => id)
    const read = async (order: 'ascending' | 'descending', states: readonly LiveState[], limit: number) => {
      const found: string[] = []
      let cursor: string | null = null
      do {
        const query = { kind: 'job', jobId: job.id, states, order, limit, cursor, runs: false } as const
        const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences(query)
        expect(page.items.length > 0 || page.cursor === null).toBe(true)
        expect(page.items.every(({ runs }) => runs.length === 0)).toBe(true)
        found.push(...page.items.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== null)
      return found
    }
    expect(await read('ascending', ['queued'], 900)).toEqual(ids)
    expect(await read('descending', ['queued'], 900)).toEqual(ids.toReversed())
    expect(await read('ascending', ['pending', 'queued', 'running'], 900)).toEqual([slots[1199]?.id, ...ids])
    expect(await read('ascending', ['running'], 10)).toEqual([slots[1199]?.id])
    const query = {
      kind: 'job',
      jobId: job.id,
      states: ['queued'],
      order: 'descending',
      limit: 50,
      runs: false,
    } as const
    const page = await storage.listOccurrences({ ...query, cursor: null })
    expect(page.items.map(({ id }) => id)).toEqual(ids.slice(-50).toReversed())
    const { cursor } = page
    expect(await callsOf('hget', () => storage.listOccurrences({ ...query, cursor }))).toBeLessThan(100)
    const between = { ...query, cursor: null, order: 'ascending', from: later + 100, to: later + 110 } as const
    expect((await storage.listOccurrences(between)).items.map(({ id }) => id)).toEqual(ids.slice(100, 110))
    expect(await callsOf('hget', () => storage.listOccurrences(between))).toBeLessThan(100)
  })
})
