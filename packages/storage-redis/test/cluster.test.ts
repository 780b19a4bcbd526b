import {
  createScheduler,
  defineJob,
  type JobId,
  jobId,
  type Scheduler,
  silentLogger,
  type TriggerResult,
} from '@jobistemer/core'
import { assertLedger } from '@jobistemer/storage-conformance'
import { type RedisCluster, startRedisCluster } from '@jobistemer/test-servers'
import { once } from '@jobistemer/ticker-once'
import { Cluster, Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { everySeconds } from '../../scenarios/test/support/every.ts'
import { scriptsOf } from '../src/client.ts'
import { shardOf } from '../src/ids.ts'
import { redisStorage } from '../src/index.ts'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { newPrefix, patient, quiet } from './prefixes.ts'
import { refusal } from './refusal.ts'

let cluster: RedisCluster
let client: Cluster

beforeAll(async () => {
  cluster = await startRedisCluster({ masters: 3 })
})

afterAll(async () => {
  await cluster.stop()
})

afterEach(() => client.disconnect())

function openClient(): Cluster {
  client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })))
  return client
}

it('a Redis Cluster stores the jobs on all masters, and the storage sends one call to each master for a batch', async () => {
  const prefix = newPrefix()
  const storage = redisStorage({ client: openClient(), prefix, ...patient })
  const jobs: JobId[] = []
  for (let index = 0; index < 100; index++) jobs.push((await addJob(storage, `job-${index}`)).id)
  const items = jobs.map((id) => slotItem(id, 1))
  const answers = await storage.createOccurrences({ now: slotAt(1), owner, items })
  expect(answers.every((answer) => answer.outcome === 'created' && answer.state === 'running')).toBe(true)
  for (const node of client.nodes('master')) {
    const keys = await node.keys(`{${prefix}:*}:heads`)
    expect(keys.length).toBeGreaterThan(0)
  }
  const settled = await storage.settle({ now: slotAt(2), items: jobs.map((id) => finishItem(id, 1)) })
  expect(settled.every(({ outcome }) => outcome === 'ok')).toBe(true)
  const claim = { now: slotAt(2), owner, limit: 10, exceptHandlerKeys: [], sweep: true }
  expect((await storage.claim(claim)).claimed).toEqual([])
  await assertLedger(storage, { atRest: true })
  await storage.close()
  expect(await client.ping()).toBe('PONG')
})

it('Redis data with one shard are stored on one master, and a storage without the option shards can read them', async () => {
  const prefix = newPrefix()
  const first = redisStorage({ client: openClient(), prefix, shards: 1, ...patient })
  const job = await addJob(first, 'alpha')
  const second = redisStorage({ client, prefix, ...patient })
  expect((await second.get({ jobs: [job.id] })).jobs).toEqual([job])
  const third = redisStorage({ client, prefix, shards: 16, ...patient })
  expect((await refusal(third.get({ jobs: [job.id] }))).field).toBe('shards')
})

it('the Redis storage continues when a shard moves to another master', async () => {
  const prefix = newPrefix()
  const storage = redisStorage({ client: openClient(), prefix, shards: 1, ...patient })
  const job = await addJob(storage, 'alpha', 'allow')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
  const slot = Number(await client.cluster('KEYSLOT', `{${prefix}:0}:heads`))
  await moveSlot(slot)
  for (let index = 2; index <= 5; index++) {
    const items = [slotItem(job.id, index)]
    expect(await storage.createOccurrences({ now: slotAt(index), owner, items })).toMatchObject([
      { outcome: 'created', state: 'running' },
    ])
  }
  const items = [1, 2, 3, 4, 5].map((index) => finishItem(job.id, index))
  const settled = await storage.settle({ now: slotAt(6), items })
  expect(settled.every(({ outcome }) => outcome === 'ok')).toBe(true)
  await assertLedger(storage, { atRest: true })
})

it('the Redis storage with minReplicas continues when a shard moves to another master', async () => {
  const prefix = newPrefix()
  const job = await addJob(redisStorage({ client: openClient(), prefix, shards: 1, ...patient }), 'alpha')
  const storage = redisStorage({ client, prefix, minReplicas: 1, waitTimeout: 50, ...patient })
  expect((await storage.get({ jobs: [job.id] })).jobs).toEqual([job])
  await moveSlot(Number(await client.cluster('KEYSLOT', `{${prefix}:0}:heads`)))
  // The new master has no replica. So the call writes to the new master, and then waits in vain.
  const error = await refusal(storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }))
  expect([error.code, error.field]).toEqual(['STORAGE_BUSY', 'minReplicas'])
  expect((await storage.get({ counts: [job.id] })).counts).toEqual([{ pending: 0, queued: 0, running: 1 }])
})

it('a url of one node of a Redis Cluster is refused, and the error asks for a Cluster client', async () => {
  openClient()
  let prefix = newPrefix()
  // The first node has the hash slots up to 5461.
  while (Number(await client.cluster('KEYSLOT', prefix)) < 5462) prefix = newPrefix()
  const storage = redisStorage({ url: cluster.url, prefix, ...patient })
  const error = await refusal(storage.get({}))
  expect(error.code).toBe('STORAGE_UNREADABLE')
  expect(error.remedy).toContain('Cluster')
  await storage.close()
})

it('a Cluster client that does not follow MOVED, as in a mixed pipeline, makes the call fail with STORAGE_BUSY', async () => {
  const storage = redisStorage({ client: openClient(), prefix: newPrefix(), ...patient })
  const job = await addJob(storage, 'alpha')
  vi.spyOn(scriptsOf(client), 'evalshaBuffer').mockRejectedValueOnce(new Error('MOVED 1 127.0.0.1:6379'))
  expect((await refusal(storage.get({ jobs: [job.id] }))).code).toBe('STORAGE_BUSY')
})

it('a Redis storage with minReplicas follows MOVED once, and then fails with STORAGE_BUSY', async () => {
  const prefix = newPrefix()
  const job = await addJob(redisStorage({ client: openClient(), prefix, shards: 1, ...patient }), 'alpha')
  const storage = redisStorage({ client, prefix, minReplicas: 1, waitTimeout: 50, ...patient })
  await storage.get({ jobs: [job.id] })
  const moved = [new Error('MOVED 1 127.0.0.1:6379'), null]
  const exec = vi.fn().mockRejectedValue(new Error('Connection is closed.'))
  for (let attempt = 0; attempt < 5; attempt++) exec.mockResolvedValueOnce([moved, moved, [null, 0]])
  vi.spyOn(client, 'pipeline').mockReturnValue({ callBuffer: vi.fn(), call: vi.fn(), exec } as never)
  const error = await refusal(storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }))
  expect([error.code, exec.mock.calls.length]).toEqual(['STORAGE_BUSY', 2])
})

it('a url of one node of a Redis Cluster with a database number is refused with STORAGE_UNREADABLE', async () => {
  openClient()
  const storage = redisStorage({ url: `${cluster.url}/1`, prefix: newPrefix(), ...patient })
  const error = await refusal(storage.get({}))
  expect([error.code, error.field]).toEqual(['STORAGE_UNREADABLE', 'url'])
  expect(error.message).toContain('database')
  await storage.close()
})

it('a Cluster client whose reads reach a stale replica, as with scaleReads, can create the namespace', async () => {
  openClient()
  vi.spyOn(client, 'hgetall').mockResolvedValue({})
  vi.spyOn(client, 'get').mockResolvedValue(null)
  const storage = redisStorage({ client, prefix: newPrefix(), ...patient })
  const job = await addJob(storage, 'alpha')
  expect((await storage.get({ jobs: [job.id] })).jobs).toEqual([job])
})

it('minReplicas counts the replicas of the master that has the shard', async () => {
  const prefix = newPrefix()
  const job = await addJob(redisStorage({ client: openClient(), prefix, ...patient }), 'alpha')
  const storage = redisStorage({ client, prefix, minReplicas: 1, waitTimeout: 50, ...patient })
  const items = [slotItem(job.id, 1)]
  const error = await refusal(storage.createOccurrences({ now: slotAt(1), owner, items }))
  expect([error.code, error.field]).toEqual(['STORAGE_BUSY', 'minReplicas'])
})

it('a call to a stopped master of a Redis Cluster fails within its time limit', async () => {
  // ioredis gives up about 2 s after the first try. The time limit must be longer, because its own error has another code.
  const storage = redisStorage({ client: openClient(), prefix: newPrefix(), ...patient, commandTimeout: 30_000 })
  for (let index = 0; index < 20; index++) await addJob(storage, `job-${index}`)
  const [node] = cluster.nodes
  await node?.kill()
  const ids = Array.from({ length: 20 }, (_, index) => jobId(`job-${index}`))
  const error = await refusal(storage.get({ jobs: ids }))
  expect(error.code).toBe('STORAGE_UNREACHABLE')
  await node?.restart()
})

it('a claim takes occurrences of the running masters, and occurrences of a stopped master after its restart', async () => {
  const config = { 'cluster-require-full-coverage': 'no', appendonly: 'yes', appendfsync: 'always' }
  const split = await startRedisCluster({ masters: 3, config })
  client = new Cluster(split.nodes.map(({ host, port }) => ({ host, port })))
  client.on('error', () => {})
  try {
    const prefix = newPrefix()
    const storage = redisStorage({ client, prefix, ...patient, commandTimeout: 10_000 })
    const jobs: JobId[] = []
    for (let index = 0; index < 30; index++) jobs.push((await addJob(storage, `job-${index}`, 'allow')).id)
    const items = jobs.map((id) => ({ ...slotItem(id, 1), runs: null }))
    await storage.createOccurrences({ now: slotAt(1), owner, items })
    const heads = await Promise.all(split.nodes.map(async ({ url }) => await jobsOf(url, prefix)))
    const [lost] = heads as [number, ...number[]]
    expect(lost).toBeGreaterThan(0)
    await split.nodes[0]?.kill()
    const request = { now: slotAt(2), owner, limit: 50, exceptHandlerKeys: [], sweep: false }
    const taken: string[] = []
    const takeUntil = (count: number) =>
      expect
        .poll(
          async () => {
            const { claimed } = await storage.claim(request)
            taken.push(...claimed.map(({ jobId }) => jobId))
            return new Set(taken).size
          },
          { timeout: 60_000 },
        )
        .toBe(count)
    await takeUntil(jobs.length - lost)
    await split.nodes[0]?.restart()
    await takeUntil(jobs.length)
    expect(taken).toHaveLength(jobs.length)
    await storage.close()
  } finally {
    client.disconnect()
    await split.stop()
  }
}, 150_000)

it('while a master is stopped, jobs of other masters run, and jobs of this master run after its restart', async () => {
  const config = { 'cluster-require-full-coverage': 'no', appendonly: 'yes', appendfsync: 'always' }
  const split = await startRedisCluster({ masters: 3, config })
  client = new Cluster(split.nodes.map(({ host, port }) => ({ host, port })))
  client.on('error', () => {})
  try {
    const prefix = newPrefix()
    const storage = redisStorage({ client, prefix, logger: quiet })
    const masterOf = async (shard: number) => {
      const slot = Number(await client.cluster('KEYSLOT', `{${prefix}:${shard}}:heads`))
      return Math.floor((slot * 3) / 16_384)
    }
    const masters = await Promise.all(Array.from({ length: 16 }, (_, shard) => masterOf(shard)))
    // The records of nodes are in the first shard. Its master stays, so that the scheduler can store its heartbeats.
    const stopped = masters.find((master) => master !== masters[0]) as number
    const isStopped = (name: string) => masters[shardOf(jobId(name), 16)] === stopped
    const runs = new Map<string, string[]>()
    const jobs = Array.from({ length: 24 }, (_, index) => {
      const name = `job-${index}`
      const ids: string[] = []
      runs.set(name, ids)
      const schedule = index % 2 === 0 ? everySeconds(1) : once('2099-01-01T00:00:00Z')
      const tasks = [
        { name: 'work', run: ({ occurrence }: { occurrence: { id: string } }) => void ids.push(occurrence.id) },
      ]
      return defineJob({ name, schedule, overlapPolicy: 'allow', tasks })
    })
    const scheduler = createScheduler({ storage, jobs, logger: silentLogger })
    await scheduler.start()
    const scheduled = [...runs.keys()].filter((_, index) => index % 2 === 0)
    const requested = [...runs.keys()].filter((_, index) => index % 2 === 1)
    const fewest = (names: readonly string[]) => Math.min(...names.map((name) => runs.get(name)?.length ?? 0))
    await expect.poll(() => fewest(scheduled), { timeout: 20_000 }).toBeGreaterThan(0)
    await split.nodes[stopped]?.kill()
    const early = new Map(scheduled.map((name) => [name, runs.get(name)?.length ?? 0]))
    const waiting: Promise<TriggerResult>[] = []
    // Six rounds of requests: more calls fail in part than a batcher retries at the same time.
    for (let round = 0; round < 6; round++) {
      const answers = requested.map((name) => [name, scheduler.trigger(name, { timeout: 60_000 })] as const)
      waiting.push(...answers.filter(([name]) => isStopped(name)).map(([, answer]) => answer))
      const others = answers.filter(([name]) => !isStopped(name)).map(([, answer]) => answer)
      expect(await Promise.all(others)).toHaveLength(others.length)
    }
    const others = scheduled.filter((name) => !isStopped(name))
    const sinceStop = () => Math.min(...others.map((name) => (runs.get(name)?.length ?? 0) - (early.get(name) ?? 0)))
    await expect.poll(sinceStop, { timeout: 60_000 }).toBeGreaterThan(8)
    await expect.poll(() => fewest(requested.filter((name) => !isStopped(name)))).toBe(6)
    await split.nodes[stopped]?.restart()
    expect(await Promise.all(waiting)).toHaveLength(requested.filter(isStopped).length * 6)
    await expect.poll(() => fewest(requested), { timeout: 20_000 }).toBe(6)
    const before = fewest(scheduled)
    await expect.poll(() => fewest(scheduled) - before, { timeout: 20_000 }).toBeGreaterThan(2)
    await comeToRest(scheduler, scheduled)
    await scheduler.shutdown()
    const ids = [...runs.values()].flat()
    expect(new Set(ids).size).toBe(ids.length)
    await assertLedger(storage, { atRest: true })
    await storage.close()
  } finally {
    client.disconnect()
    await split.stop()
  }
}, 300_000)

/**
 * Pauses the jobs, and waits until no run is left. Otherwise the last scheduler would hand its due runs back when it shuts
 * down, and no other node would run them.
 */
async function comeToRest(scheduler: Scheduler, jobs: readonly string[]): Promise<void> {
  for (const name of jobs) await scheduler.pause(name)
  const left = async () => {
    // A node that does not know of the pause yet may create one more slot. The slot would wait for the end of the pause.
    for (const { id } of (await scheduler.live({ state: 'pending' })).items) await scheduler.cancel(id)
    return await scheduler.counts()
  }
  await expect.poll(left).toEqual({ pending: 0, queued: 0, running: 0 })
}

/** Returns the number of jobs on one node of the cluster. */
async function jobsOf(url: string, prefix: string): Promise<number> {
  const node = new Redis(url)
  try {
    const keys = await node.keys(`{${prefix}:*}:heads`)
    const sizes = await Promise.all(keys.map((key) => node.hlen(key)))
    return sizes.reduce((sum, size) => sum + size, 0)
  } finally {
    node.disconnect()
  }
}

/** Moves a hash slot of the cluster, with its keys, to another master. */
async function moveSlot(slot: number): Promise<void> {
  const masters = await Promise.all(
    client.nodes('master').map(async (node) => ({ node, id: String(await node.call('CLUSTER', 'MYID')) })),
  )
  const counts = await Promise.all(masters.map(({ node }) => node.call('CLUSTER', 'COUNTKEYSINSLOT', slot)))
  const from = masters[counts.findIndex((count) => Number(count) > 0)]
  const to = masters.find((master) => master !== from)
  if (from === undefined || to === undefined) throw new Error('no master has the slot')
  await to.node.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
  await from.node.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
  const keys = (await from.node.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, 10_000)) as Buffer[]
  const { host = '', port = 0 } = to.node.options
  await from.node.callBuffer('MIGRATE', host, port, '', 0, 5000, 'KEYS', ...keys)
  for (const { node } of masters) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
}
