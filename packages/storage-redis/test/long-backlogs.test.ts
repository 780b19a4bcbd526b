import { type JobId, jobId } from '@jobistemer/core'
import type { ClaimRequest, CreateItem, JobContent, JobRecord, OverlapPolicy, Storage } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import { type RedisServer, startRedis } from '@jobistemer/test-servers'
import { addJob, contentOf, finishItem, owner, slotAt, slotItem, start, triggerItem } from '@jobistemer/test-kit'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { shardOf } from '../src/ids.ts'
import { redisStorage } from '../src/index.ts'
import { beforeScripts } from './before-scripts.ts'
import { newPrefix, patient } from './prefixes.ts'

// Tests that claims stay cheap when many waiting occurrences belong to jobs that the claiming node may not start.

let server: RedisServer
let client: Redis

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})

afterAll(async () => {
  client.disconnect()
  await server.stop()
})

interface World {
  readonly storage: Storage
  readonly prefix: string
  /** Runs `work`. Returns the number of scripts that `work` sent, and the number of commands that the server ran. */
  cost(work: () => Promise<unknown>): Promise<{ readonly scripts: number; readonly commands: number }>
}

async function withStorage(shards: number, use: (world: World) => Promise<void>): Promise<void> {
  const prefix = newPrefix()
  const own = new Redis(server.url)
  const storage = redisStorage({ client: own, prefix, shards, ...patient })
  let scripts = 0
  beforeScripts(own, () => {
    scripts++
  })
  const cost = async (work: () => Promise<unknown>) => {
    const [scriptsBefore, commandsBefore] = [scripts, await commandsRun()]
    await work()
    return { scripts: scripts - scriptsBefore, commands: (await commandsRun()) - commandsBefore }
  }
  try {
    await use({ storage, prefix, cost })
  } finally {
    await storage.close()
    own.disconnect()
  }
}

async function commandsRun(): Promise<number> {
  const stats = await client.info('commandstats')
  return [...stats.matchAll(/^cmdstat_.*?calls=(\d+)/gm)].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

/** Creates `count` requests that wait for a node. Their order of waiting is the order of their keys. */
async function wait(storage: Storage, job: JobId, count: number, { from = 0, dueAt = slotAt(2) } = {}): Promise<void> {
  for (let done = 0; done < count; done += 250) {
    const items = Array.from({ length: Math.min(250, count - done) }, (_, index): CreateItem => {
      const key = from + done + index
      return { ...triggerItem(job, key, slotAt(1) + key), dueAt }
    })
    const answers = await storage.createOccurrences({ now: slotAt(2), owner, items })
    expect(answers.every(({ outcome }) => outcome === 'created')).toBe(true)
  }
}

/** Adds jobs in one call. Returns their ids. */
async function addJobs(storage: Storage, names: readonly string[], policy: OverlapPolicy): Promise<readonly JobId[]> {
  const ids = names.map((name) => jobId(name))
  const changes = names.map((name) => ({ kind: 'create', id: jobId(name), content: contentOf(name, policy) }) as const)
  const answers = await storage.saveJobs({ now: start, changes })
  expect(answers.every(({ outcome }) => outcome === 'saved')).toBe(true)
  return ids
}

async function claim(storage: Storage, request: Partial<ClaimRequest> = {}) {
  const whole = { now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: false, ...request }
  const answer = await storage.claim(whole)
  return { ...answer, keys: answer.claimed.map(({ scheduledAt }) => scheduledAt - slotAt(1)) }
}

async function replace(storage: Storage, job: JobRecord, content: Partial<JobContent>): Promise<void> {
  const { version, watermark } = (await storage.get({ jobs: [job.id] })).jobs[0] as JobRecord
  const whole = { ...contentOf(job.name), fingerprint: `print-${version + 1}`, ...content }
  const expected = { expectedVersion: version, expectedWatermark: watermark }
  const change = { kind: 'replace', id: job.id, content: whole, ...expected, waiting: 'keep' } as const
  const [answer] = await storage.saveJobs({ now: slotAt(2), changes: [change] })
  expect(answer?.outcome).toBe('saved')
}

async function counts(storage: Storage, ...jobs: readonly JobId[]) {
  return (await storage.get({ counts: jobs })).counts
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

it('a job without pending occurrences is removed from the list of jobs whose pending occurrences have a separate set', async () => {
  await withStorage(1, async ({ storage, prefix }) => {
    const names = numbers(0, 100).map((index) => `foreign-${index}`)
    for (const id of await addJobs(storage, names, 'allow')) await wait(storage, id, 16)
    await claim(storage, { exceptHandlerKeys: names })
    const apart = `{${prefix}:0}:apart`
    expect(await client.scard(apart)).toBe(100)
    const pending = { kind: 'live', state: 'pending', limit: 1000, cursor: null, runs: false } as const
    const how = { reason: 'not needed', actor: null, mode: 'request' } as const
    for (let tries = 0; tries < 2; tries++) {
      const { items } = await storage.listOccurrences(pending)
      await storage.cancel({ now: slotAt(3), items: items.map((one) => ({ ...one, ...how })) })
    }
    await claim(storage, { exceptHandlerKeys: names })
    expect(await client.scard(apart)).toBe(0)
  })
})

describe.each([1, 2])('a long backlog in Redis on %i shards', (shards) => {
  it('is read only once by a node without the job’s handler; other nodes claim its occurrences in order', async () => {
    await withStorage(shards, async ({ storage, prefix, cost }) => {
      const { id: foreign } = await addJob(storage, 'foreign', 'allow')
      const { id: own } = await addJob(storage, 'own', 'allow')
      await wait(storage, foreign, 1500)
      const exceptHandlerKeys = ['foreign']
      expect(await claim(storage, { exceptHandlerKeys })).toMatchObject({ keys: [], more: false, nextDueAt: null })
      await wait(storage, own, 2, { from: 5000 })
      const { commands } = await cost(async () => {
        expect((await claim(storage, { exceptHandlerKeys })).keys).toEqual([5000, 5001])
      })
      expect(commands).toBeLessThan(100)
      // The claim has moved the occurrences of `foreign` from the set of all jobs into a separate set. The following
      // requests enter the set of all jobs. The next claims read both sets in one order.
      await wait(storage, foreign, 40, { from: 1500 })
      await wait(storage, own, 1, { from: 1495 })
      const expected = numbers(0, 1540).flatMap((key) => (key === 1495 ? [key, key] : [key]))
      const taken: number[] = []
      for (let more = true; more; ) {
        const answer = await claim(storage, { limit: 250 })
        taken.push(...answer.keys)
        more = answer.more
      }
      expect(taken).toEqual(expected)
      await claim(storage)
      expect(await client.keys(`{${prefix}:*}:apart`)).toEqual([])
      await assertLedger(storage)
    })
  })

  it('is read only once by a node without the job’s handler, even if the occurrences of the backlog are delayed', async () => {
    await withStorage(shards, async ({ storage, cost }) => {
      const { id: foreign } = await addJob(storage, 'foreign', 'allow')
      const { id: own } = await addJob(storage, 'own', 'allow')
      await wait(storage, foreign, 2500, { dueAt: slotAt(5) })
      const exceptHandlerKeys = ['foreign']
      expect((await claim(storage, { exceptHandlerKeys })).nextDueAt).toBe(null)
      await wait(storage, own, 1, { from: 9000, dueAt: slotAt(7) })
      const { commands } = await cost(async () => {
        expect((await claim(storage, { exceptHandlerKeys })).nextDueAt).toBe(slotAt(7))
      })
      expect(commands).toBeLessThan(80)
      expect((await claim(storage)).nextDueAt).toBe(slotAt(5))
      expect((await claim(storage, { now: slotAt(7), exceptHandlerKeys })).keys).toEqual([9000])
      expect((await claim(storage, { now: slotAt(6) })).keys).toEqual(numbers(0, 10))
      await assertLedger(storage)
    })
  })

  it('can be paused, canceled and removed if its occurrences are stored in a separate set of their job', async () => {
    await withStorage(shards, async ({ storage, prefix }) => {
      const { id: foreign } = await addJob(storage, 'foreign', 'allow')
      await wait(storage, foreign, 40)
      await wait(storage, foreign, 40, { from: 40, dueAt: slotAt(5) })
      const exceptHandlerKeys = ['foreign']
      await claim(storage, { exceptHandlerKeys })
      const sizes = async () => {
        const keys = await client.keysBuffer(`{${prefix}:*}:[rd]:*`)
        return (await Promise.all(keys.map((key) => client.zcard(key)))).sort()
      }
      expect(await sizes()).toEqual([40, 40])
      const items = [0, 40].map((key) => {
        const { id, jobId, scheduledAt } = triggerItem(foreign, key, slotAt(1) + key)
        return { id, jobId, scheduledAt, actor: null, mode: 'request', reason: 'no more' } as const
      })
      const canceled = await storage.cancel({ now: slotAt(3), items })
      expect(canceled.map(({ outcome }) => outcome)).toEqual(['canceled', 'canceled'])
      const paused = { at: slotAt(3), actor: null, reason: null }
      await storage.saveJobs({ now: slotAt(3), changes: [{ kind: 'pause', id: foreign, paused }] })
      expect(await claim(storage, { now: slotAt(6) })).toMatchObject({ keys: [], more: false, nextDueAt: null })
      expect(await sizes()).toEqual([])
      await storage.saveJobs({ now: slotAt(3), changes: [{ kind: 'pause', id: foreign, paused: null }] })
      await claim(storage, { exceptHandlerKeys })
      expect((await claim(storage, { limit: 100 })).keys).toEqual(numbers(1, 39))
      await storage.saveJobs({ now: slotAt(3), changes: [{ kind: 'delete', id: foreign, expectedVersion: null }] })
      expect(await claim(storage, { now: slotAt(6) })).toMatchObject({ keys: [], more: false, nextDueAt: null })
      expect(await counts(storage, foreign)).toEqual([{ pending: 0, queued: 0, running: 39 }])
      await assertLedger(storage)
    })
  })

  it('is read in several scripts if it consists of occurrences of many jobs', async () => {
    await withStorage(shards, async ({ storage, cost }) => {
      const { id: own } = await addJob(storage, 'own', 'allow')
      const names = Array.from({ length: 260 }, (_, index) => `foreign-${index}`)
      const items = (await addJobs(storage, names, 'allow')).flatMap((id, index) =>
        numbers(index * 10, 10).map((key) => ({ ...triggerItem(id, key, slotAt(1) + key), dueAt: slotAt(2) })),
      )
      await storage.createOccurrences({ now: slotAt(2), owner, items })
      await wait(storage, own, 3, { from: 1300 })
      await wait(storage, own, 3, { from: 5000 })
      const { scripts } = await cost(async () => {
        const answer = await claim(storage, { limit: 5, exceptHandlerKeys: names })
        expect([answer.keys, answer.more]).toEqual([[1300, 1301, 1302, 5000, 5001], true])
      })
      expect(scripts).toBeGreaterThanOrEqual(3)
      expect((await claim(storage, { exceptHandlerKeys: names })).keys).toEqual([5002])
      expect((await claim(storage, { limit: 0 })).more).toBe(true)
    })
  })

  it('becomes queued in several steps if a stricter overlap policy blocks it, and claims continue after each step', async () => {
    await withStorage(shards, async ({ storage, cost }) => {
      const alpha = await addJob(storage, 'alpha', 'allow')
      const { id: beta } = await addJob(storage, 'beta', 'allow')
      await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(alpha.id, 1)] })
      await wait(storage, alpha.id, 1700)
      await wait(storage, beta, 1, { from: 5000 })
      await replace(storage, alpha, { nextAt: slotAt(5000), overlap: { policy: 'queue', maxQueued: 5000 } })
      const { scripts } = await cost(async () => expect((await claim(storage)).keys).toEqual([5000]))
      expect(scripts).toBeGreaterThanOrEqual(4)
      while ((await claim(storage)).more);
      expect(await counts(storage, alpha.id)).toEqual([{ pending: 0, queued: 1700, running: 1 }])
      await storage.settle({ now: slotAt(3), items: [finishItem(alpha.id, 1)] })
      expect((await claim(storage)).keys).toEqual([0])
      await assertLedger(storage)
    })
  })

  it('becomes queued in several steps if a start rate holds it back, and only the next occurrence to start stays pending', async () => {
    await withStorage(shards, async ({ storage }) => {
      const alpha = await addJob(storage, 'alpha', 'allow')
      await wait(storage, alpha.id, 1700)
      const startRate = { limit: 2, intervalMs: 60_000 }
      await replace(storage, alpha, { overlap: { policy: 'queue', maxQueued: 5000, maxConcurrency: 100, startRate } })
      const taken: number[] = []
      for (let more = true; more; ) {
        const answer = await claim(storage)
        taken.push(...answer.keys)
        more = answer.more
      }
      expect(taken).toEqual([0, 1])
      expect(await counts(storage, alpha.id)).toEqual([{ pending: 1, queued: 1697, running: 2 }])
      expect(await claim(storage)).toMatchObject({ keys: [], more: false, nextDueAt: slotAt(3) + 60_000 })
      expect((await claim(storage, { now: slotAt(4) })).keys).toEqual([2, 3])
      await assertLedger(storage)
    })
  })
})

it('a claim that took occurrences answers `more: true` if further blocked occurrences must become queued', async () => {
  await withStorage(1, async ({ storage }) => {
    const alpha = await addJob(storage, 'alpha', 'allow')
    await wait(storage, alpha.id, 1200)
    await replace(storage, alpha, { overlap: { policy: 'queue', maxQueued: 5000 } })
    const answer = await claim(storage)
    expect([answer.keys, answer.more]).toEqual([[0], true])
    expect((await counts(storage, alpha.id))[0]?.pending).toBeGreaterThan(0)
  })
})

it('a claim over several Redis shards answers `more: true` while further claims must still cancel occurrences', async () => {
  await withStorage(2, async ({ storage }) => {
    const jobs: JobRecord[] = []
    for (let index = 0; jobs.length < 2; index++) {
      const job = await addJob(storage, `job-${index}`, 'allow')
      if (shardOf(job.id, 2) === jobs.length) jobs.push(job)
    }
    const [left, other] = jobs as [JobRecord, JobRecord]
    for (let from = 1; from <= 1500; from += 250) {
      const items = numbers(from, 250).map((index) => ({ ...slotItem(left.id, index), runs: null }))
      await storage.createOccurrences({ now: slotAt(1500), owner, items })
    }
    const { watermark } = (await storage.get({ jobs: [left.id] })).jobs[0] as JobRecord
    const content = { ...contentOf(left.name, 'allow'), fingerprint: 'print-2', nextAt: slotAt(1501) }
    const expected = { expectedVersion: 1, expectedWatermark: watermark }
    const change = { kind: 'replace', id: left.id, content, ...expected, waiting: 'cancel' } as const
    const now = slotAt(1600)
    expect(await storage.saveJobs({ now, cancelLimit: 10, changes: [change] })).toMatchObject([{ more: true }])
    await storage.createOccurrences({ now, owner, items: [triggerItem(other.id, 1, now)] })
    const answer = await claim(storage, { now })
    expect(answer.claimed).toMatchObject([{ jobId: other.id }])
    const [{ pending } = { pending: 0 }] = await counts(storage, left.id)
    expect([pending > 0, answer.more]).toEqual([true, true])
    while ((await claim(storage, { now })).more);
    expect(await counts(storage, left.id)).toMatchObject([{ pending: 0 }])
  })
})

it('a Redis claim with the option `sweep` checks 700 jobs in several scripts', async () => {
  await withStorage(1, async ({ storage, cost }) => {
    const names = Array.from({ length: 700 }, (_, index) => `job-${index}`)
    const ids = await addJobs(storage, names, 'queue')
    const items = ids.flatMap((id) => [slotItem(id, 1), triggerItem(id, 1, slotAt(1) + 1)])
    await storage.createOccurrences({ now: slotAt(1) + 1, owner, items })
    const { scripts } = await cost(() => claim(storage, { sweep: true }))
    expect(scripts).toBeGreaterThanOrEqual(3)
    expect((await cost(() => claim(storage))).scripts).toBe(1)
    expect(await counts(storage, jobId('job-0'))).toEqual([{ pending: 0, queued: 1, running: 1 }])
  })
})
