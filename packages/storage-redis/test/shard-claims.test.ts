import type { JobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { scriptsOf } from '../src/client.ts'
import { shardOf } from '../src/ids.ts'
import { beforeScripts } from './before-scripts.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: connect, open } = useServers()

/** Adds two jobs, one on each of the two given shards. */
async function addJobs(storage: Storage, shards: readonly [number, number]): Promise<readonly [JobId, JobId]> {
  const jobs: JobId[] = []
  for (let index = 0; jobs.length < 2; index++) {
    const { id } = await addJob(storage, `job-${index}`, 'allow')
    if (shardOf(id, 2) === shards[jobs.length]) jobs.push(id)
  }
  return jobs as [JobId, JobId]
}

it('a claim over several Redis shards returns `more: true` if an older occurrence arrives after the claim has read each shard’s oldest one', async () => {
  const server = await start()
  const client = connect(server.url)
  const storage = open({ client, shards: 2 })
  const other = open({ url: server.url, shards: 2 })
  const [first, second] = await addJobs(storage, [0, 0])
  const waiting = (job: JobId, index: number) => ({ ...slotItem(job, index), runs: null })
  await other.createOccurrences({ now: slotAt(1), owner, items: [waiting(first, 1)] })
  await other.createOccurrences({ now: slotAt(2), owner, items: [waiting(first, 2)] })
  const request = { now: slotAt(2), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
  await other.claim({ ...request, limit: 1 })

  // The claim consists of several script calls. Calls 1 and 2 only ask one shard each which occurrences a claim would
  // take. Call 3 claims.
  let calls = 0
  beforeScripts(client, async () => {
    if (++calls === 3) await other.createOccurrences({ now: slotAt(2), owner, items: [waiting(second, 1)] })
  })
  const claimed = await storage.claim(request)
  expect(claimed.claimed).toMatchObject([{ jobId: second }])
  expect(claimed.more).toBe(true)
  expect((await storage.claim(request)).claimed).toMatchObject([{ jobId: first, scheduledAt: slotAt(2) }])
})

it('a claim over several Redis shards takes no later occurrence in place of an occurrence that another node took first', async () => {
  const server = await start()
  const client = connect(server.url)
  const storage = open({ client, shards: 2 })
  const other = open({ url: server.url, shards: 2 })
  const [first, second] = await addJobs(storage, [0, 1])
  const trigger = (job: JobId, digit: string, scheduledAt: number) => {
    const id = `occ_${digit.repeat(8)}-0000-5000-8000-000000000000` as const
    return { ...slotItem(job, 1), kind: 'trigger', id, scheduledAt, dueAt: scheduledAt, runs: null } as const
  }
  // Two triggers have the same instant, so their ids decide their order. The instants of the triggers of the second shard are
  // between those of the first shard.
  const items = [
    trigger(first, '1', slotAt(1)),
    trigger(first, '2', slotAt(1)),
    trigger(first, '3', slotAt(5)),
    trigger(second, '4', slotAt(2)),
    trigger(second, '5', slotAt(3)),
  ]
  await other.createOccurrences({ now: slotAt(6), owner, items })
  const request = { now: slotAt(6), owner, limit: 1, exceptHandlerKeys: [], sweep: false }
  // Makes the server cache the script. If a server does not know a script, the client has to send the call a second time.
  await other.claim({ ...request, limit: 0 })
  // The claim consists of several script calls. Calls 1 and 2 only ask one shard each which occurrences a claim would
  // take. Before call 3, which claims, another node claims the oldest occurrence.
  let calls = 0
  beforeScripts(client, async () => {
    if (++calls === 3) await other.claim(request)
  })
  expect(await storage.claim(request)).toMatchObject({ claimed: [], more: true })
  calls = 0
  const answer = await storage.claim({ ...request, limit: 2 })
  expect(answer.claimed).toMatchObject([{ scheduledAt: slotAt(2) }])
  expect(answer.more).toBe(true)
  expect((await storage.claim({ ...request, limit: 1 })).claimed).toMatchObject([{ scheduledAt: slotAt(3) }])
})

describe('a claim over several Redis shards, one of which fails,', () => {
  /** Creates a waiting occurrence on each of two shards. The test can make calls to the second shard fail. */
  async function startTwo() {
    const server = await start()
    const client = connect(server.url)
    const storage = open({ client, shards: 2 })
    const other = open({ url: server.url, shards: 2 })
    const [first, second] = await addJobs(storage, [0, 1])
    const wait = async (job: JobId, index: number) => {
      const items = [{ ...slotItem(job, index), runs: null }]
      await other.createOccurrences({ now: slotAt(index), owner, items })
    }
    await wait(first, 1)
    await wait(second, 1)
    // Makes the server cache the script. If a server does not know a script, the client has to send the call a second time.
    await other.claim({ ...request, limit: 0 })
    const fate = {
      calls: 0,
      before: (_call: number): Error | null => null,
      after: (_call: number): Error | null => null,
    }
    const scripts = scriptsOf(client)
    const send = scripts.evalshaBuffer.bind(client)
    scripts.evalshaBuffer = async (...values) => {
      if (!String(values[2]).includes(':1}:')) return await send(...values)
      const call = ++fate.calls
      const error = fate.before(call)
      if (error !== null) throw error
      const answer = await send(...values)
      const lost = fate.after(call)
      if (lost !== null) throw lost
      return answer
    }
    return { storage, other, first, second, wait, fate }
  }

  const request = { now: slotAt(9), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
  const down = () => new Error('CLUSTERDOWN Hash slot not served')
  const broken = () => new Error('Connection is closed.')

  it('takes occurrences of the remaining shards, and of the failed shard once it answers again', async () => {
    const { storage, first, second, wait, fate } = await startTwo()
    fate.before = down
    expect(await storage.claim(request)).toMatchObject({ claimed: [{ jobId: first }], more: false })
    expect(await storage.claim(request)).toMatchObject({ claimed: [], more: false })
    await wait(first, 2)
    expect((await storage.claim(request)).claimed).toMatchObject([{ jobId: first, scheduledAt: slotAt(2) }])
    fate.before = () => null
    await expect
      .poll(async () => (await storage.claim(request)).claimed, { timeout: 20_000 })
      .toMatchObject([{ jobId: second }])
  })

  it('rejects if no shard answers, or if a shard answers with an error that an operator must fix', async () => {
    const { storage, other, first, fate } = await startTwo()
    fate.before = () => new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
    expect((await refusal(storage.claim(request))).code).toBe('STORAGE_FOREIGN')
    expect((await other.claim({ ...request, limit: 0 })).more).toBe(true)
    const none = open({ client: connect('redis://127.0.0.1:1', { maxRetriesPerRequest: 0 }), shards: 2 })
    expect((await refusal(none.claim(request))).code).toBe('STORAGE_UNREACHABLE')
    expect((await other.claim({ ...request, limit: 1 })).claimed).toHaveLength(1)
    expect(first).toBeDefined()
  })

  it('returns the occurrences of the other shards if the failed call has claimed no occurrence on its shard', async () => {
    const { storage, first, second, fate } = await startTwo()
    // The first call to the second shard only asks which occurrences a claim would take, and succeeds. The second call
    // claims, and fails.
    fate.before = (call) => (call === 2 ? down() : null)
    expect(await storage.claim(request)).toMatchObject({ claimed: [{ jobId: first }], more: true })
    await expect
      .poll(async () => (await storage.claim(request)).claimed, { timeout: 20_000 })
      .toMatchObject([{ jobId: second }])
  })

  it('makes the next claim of its owner reject with STORAGE_BUSY, because the shard may have claimed occurrences', async () => {
    const { storage, other, first, second, wait, fate } = await startTwo()
    fate.after = (call) => (call === 2 ? broken() : null)
    expect(await storage.claim(request)).toMatchObject({ claimed: [{ jobId: first }], more: true })
    const running = await other.listOccurrences({
      kind: 'live',
      state: 'running',
      limit: 10,
      cursor: null,
      runs: false,
    })
    expect(running.items).toHaveLength(2)
    // A claim with limit 0 does not find out whether the unanswered claim took occurrences. So it does not reject.
    await storage.claim({ ...request, limit: 0 })
    await wait(first, 2)
    let error: { readonly code: string; readonly value: unknown } | null = null
    const claimed: unknown[] = []
    // Repeats the claim until the second shard answers again. An earlier claim may have taken occurrences of this shard
    // without an answer. So the first claim that reaches this shard again takes none of its occurrences, and rejects.
    for (let tries = 0; error === null && tries < 200; tries++) {
      try {
        claimed.push(...(await storage.claim(request)).claimed)
      } catch (thrown) {
        error = thrown as typeof error
      }
    }
    expect(error).toMatchObject({ code: 'STORAGE_BUSY', value: 'repeated' })
    await wait(second, 2)
    claimed.push(...(await storage.claim(request)).claimed)
    expect(claimed).toHaveLength(2)
  })

  it('lets claims of other owners succeed, and makes only the next claim of its own owner reject', async () => {
    const { storage, second, wait, fate } = await startTwo()
    const sibling = { ...owner, incarnation: `${owner.incarnation}-2` }
    fate.after = (call) => (call === 2 ? broken() : null)
    await storage.claim(request)
    await wait(second, 2)
    await expect
      .poll(async () => (await storage.claim({ ...request, owner: sibling })).claimed, { timeout: 20_000 })
      .toMatchObject([{ jobId: second }])
    expect(await refusal(storage.claim(request))).toMatchObject({ code: 'STORAGE_BUSY', value: 'repeated' })
    expect((await storage.claim(request)).claimed).toEqual([])
  })
})

it('if two claims of an owner reach Redis in reverse order, the earlier claim takes nothing', async () => {
  const server = await start()
  const client = connect(server.url)
  const storage = open({ client, shards: 1 })
  const other = open({ url: server.url, shards: 1 })
  const { id } = await addJob(other, 'alpha', 'allow')
  const request = { now: slotAt(9), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
  await storage.claim(request)
  const scripts = scriptsOf(client)
  const send = scripts.evalshaBuffer.bind(client)
  const late: (() => Promise<unknown>)[] = []
  let isAway = true
  scripts.evalshaBuffer = async (...values) => {
    if (!isAway) return await send(...values)
    late.push(async () => await send(...values))
    throw new Error('Connection is closed.')
  }
  expect(await refusal(storage.claim(request))).toMatchObject({ code: 'STORAGE_UNREACHABLE' })
  isAway = false
  expect((await storage.claim(request)).claimed).toEqual([])
  await other.createOccurrences({ now: slotAt(1), owner, items: [{ ...slotItem(id, 1), runs: null }] })
  for (const send of late) await send()
  const running = { kind: 'live', state: 'running', limit: 10, cursor: null, runs: false } as const
  expect((await other.listOccurrences(running)).items).toEqual([])
  expect((await storage.claim(request)).claimed).toMatchObject([{ jobId: id }])
  // Delivers the delayed claim a second time, after the server has answered a later claim. The delayed claim must again
  // claim nothing.
  for (const send of late) await send()
  expect((await other.listOccurrences(running)).items).toHaveLength(1)
})

it('a failed claim with limit 0 does not erase the stored answer of an earlier unanswered claim', async () => {
  const server = await start()
  const client = connect(server.url)
  const storage = open({ client, shards: 1 })
  const { id } = await addJob(storage, 'alpha', 'allow')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [{ ...slotItem(id, 1), runs: null }] })
  const request = { now: slotAt(9), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
  await storage.claim({ ...request, limit: 0 })
  const scripts = scriptsOf(client)
  const send = scripts.evalshaBuffer.bind(client)
  let fails = true
  scripts.evalshaBuffer = async (...values) => {
    const answer = await send(...values)
    if (fails) throw new Error('Connection is closed.')
    return answer
  }
  await refusal(storage.claim(request))
  await refusal(storage.claim({ ...request, limit: 0 }))
  fails = false
  expect(await refusal(storage.claim(request))).toMatchObject({ code: 'STORAGE_BUSY', value: 'repeated' })
  expect((await storage.claim(request)).claimed).toEqual([])
})
