import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import {
  codec1,
  type ClaimRequest,
  type CreateItem,
  type JobRecord,
  type OccurrenceRecord,
  type Storage,
} from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import { type RedisServer, startRedis } from '@jobistemer/test-servers'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bytesOfId, shardOf } from '../src/ids.ts'
import { redisStorage } from '../src/index.ts'
import { headLayout, recordLayout } from '../src/layouts.ts'
import { addJob, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { newPrefix, patient } from './prefixes.ts'

const { stateCodes } = codec1

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

async function withStorage(use: (storage: Storage, prefix: string) => Promise<void>, shards = 1): Promise<void> {
  const prefix = newPrefix()
  const storage = redisStorage({ url: server.url, prefix, shards, ...patient })
  try {
    await use(storage, prefix)
  } finally {
    await storage.close()
  }
}

function trigger(job: JobId, key: number, dueAt: number = slotAt(1)): CreateItem {
  const id = occurrenceId(job, slotAt(100) + key)
  return { ...slotItem(job, 1), kind: 'trigger', id, scheduledAt: slotAt(1) + key, dueAt, runs: null }
}

const triggers = (job: JobId, ...keys: readonly number[]) => keys.map((key) => trigger(job, key))

async function create(storage: Storage, items: readonly CreateItem[]): Promise<void> {
  const answers = await storage.createOccurrences({ now: slotAt(1), owner, items })
  expect(answers.every(({ outcome }) => outcome === 'created')).toBe(true)
}

/** Claims occurrences. Returns the keys of the claimed triggers. */
async function claim(storage: Storage, request: Partial<ClaimRequest> = {}) {
  const answer = await storage.claim({
    now: slotAt(2),
    owner,
    limit: 10,
    exceptHandlerKeys: [],
    sweep: false,
    ...request,
  })
  return { ...answer, keys: answer.claimed.map(({ scheduledAt }) => scheduledAt - slotAt(1)) }
}

async function replaceOverlap(storage: Storage, job: JobRecord, policy: 'queue' | 'allow'): Promise<void> {
  const content = { ...job, fingerprint: `print-${policy}`, overlap: { policy, maxQueued: 1000 } }
  const expected = { expectedVersion: job.version, expectedWatermark: job.watermark }
  const change = { kind: 'replace', id: job.id, content, ...expected, waiting: 'keep' } as const
  expect(await storage.saveJobs({ now: slotAt(1), changes: [change] })).toMatchObject([{ outcome: 'saved' }])
}

describe('a Redis claim with the option `sweep`', () => {
  it('wakes a queued occurrence of a job without an active occurrence, while other claims leave it queued', async () => {
    await withStorage(async (storage, prefix) => {
      const { id: job } = await addJob(storage, 'alpha', 'queue')
      const running = { ...slotItem(job, 1), runs: [] }
      await create(storage, [running, ...triggers(job, 1, 2)])
      await strand(prefix, job, running)
      expect((await claim(storage)).keys).toEqual([])
      expect((await storage.get({ counts: [job] })).counts).toEqual([{ pending: 0, queued: 2, running: 0 }])
      expect((await claim(storage, { sweep: true })).keys).toEqual([1])
      await assertLedger(storage)
    })
  })

  it('leaves an occurrence queued if another occurrence of its job is active', async () => {
    await withStorage(async (storage) => {
      const { id: job } = await addJob(storage, 'alpha', 'queue')
      await create(storage, [slotItem(job, 1), ...triggers(job, 1)])
      expect((await claim(storage, { sweep: true })).keys).toEqual([])
      expect((await storage.get({ counts: [job] })).counts).toEqual([{ pending: 0, queued: 1, running: 1 }])
    })
  })

  /** Simulates a crash after the end of a run was stored, and before the next occurrence woke. */
  async function strand(prefix: string, job: JobId, { id, scheduledAt }: CreateItem): Promise<void> {
    const shard = `{${prefix}:0}:`
    const head = Buffer.from((await client.hgetBuffer(`${shard}heads`, bytesOfId(job))) as Buffer)
    head.fill(0, headLayout.at.active, headLayout.end.active)
    head.writeUInt32LE(0, headLayout.at.running)
    const bucket = `${shard}o:${id[4]}`
    const record = Buffer.from((await client.hgetBuffer(bucket, bytesOfId(id))) as Buffer)
    record[recordLayout.at.state] = stateCodes.completed
    record.writeDoubleLE(scheduledAt + 20, recordLayout.at.finishedAt)
    await client.hset(`${shard}heads`, bytesOfId(job), head)
    await client.hset(bucket, bytesOfId(id), record)
    await client.zrem(`${shard}running`, Buffer.concat([bytesOfId(id), bytesOfId(job)]))
  }
})

describe.each([1, 2])('a Redis claim on %i shards', (shards) => {
  it('takes occurrences up to its limit, and answers whether further occurrences wait', async () => {
    await withStorage(async (storage) => {
      const { id: job } = await addJob(storage, 'alpha', 'allow')
      await create(storage, triggers(job, 1, 2, 3))
      const none = await claim(storage, { limit: 0 })
      expect([none.keys, none.more]).toEqual([[], true])
      const first = await claim(storage, { limit: 2 })
      expect([first.keys, first.more, first.nextDueAt]).toEqual([[1, 2], true, null])
      const last = await claim(storage, { limit: 1 })
      expect([last.keys, last.more]).toEqual([[3], false])
      expect((await claim(storage, { limit: 0 })).more).toBe(false)
    }, shards)
  })

  it('gives each occurrence a new token, the owner and the start time, and changes no other member of the occurrence', async () => {
    await withStorage(async (storage) => {
      const { id: job } = await addJob(storage, 'alpha', 'allow')
      await create(storage, triggers(job, 1))
      const { claimed } = await claim(storage)
      const { node, incarnation } = owner
      const expected = { token: 1, sequence: 0, owner: { node, incarnation }, startedAt: slotAt(2), state: 'running' }
      expect(claimed).toMatchObject([{ ...expected, reason: null, rescues: 0, deadlineAt: slotAt(12) }])
      expect((await storage.get({ occurrences: claimed.map(({ id }) => id) })).occurrences).toEqual(claimed)
    }, shards)
  })

  it('makes an occurrence queued if another occurrence of its job runs or was claimed by the same call; only claimed occurrences use up the limit', async () => {
    await withStorage(async (storage) => {
      const alpha = await addJob(storage, 'alpha', 'allow')
      const { id: beta } = await addJob(storage, 'beta', 'allow')
      await create(storage, [...triggers(alpha.id, 1, 2, 3), ...triggers(beta, 4)])
      await replaceOverlap(storage, alpha, 'queue')
      const first = await claim(storage, { limit: 2 })
      expect([first.keys, first.more]).toEqual([[1, 4], false])
      expect((await storage.get({ counts: [alpha.id] })).counts).toEqual([{ pending: 0, queued: 2, running: 1 }])
      expect((await claim(storage)).keys).toEqual([])
      await assertLedger(storage)
    }, shards)
  })

  it('stops at its limit, even if only blocked occurrences follow', async () => {
    await withStorage(async (storage) => {
      const alpha = await addJob(storage, 'alpha', 'allow')
      await create(storage, triggers(alpha.id, 1, 2, 3))
      await replaceOverlap(storage, alpha, 'queue')
      const first = await claim(storage, { limit: 1 })
      expect([first.keys, first.more]).toEqual([[1], true])
      expect((await storage.get({ counts: [alpha.id] })).counts).toEqual([{ pending: 2, queued: 0, running: 1 }])
    }, shards)
  })

  it('leaves out occurrences whose handler its node lacks, however many of them precede an occurrence that the node can take', async () => {
    await withStorage(async (storage) => {
      const { id: foreign } = await addJob(storage, 'foreign', 'allow')
      const { id: own } = await addJob(storage, 'own', 'allow')
      await create(storage, triggers(foreign, ...Array.from({ length: 12 }, (_, key) => key)))
      await create(storage, triggers(own, 50, 51))
      const answer = await claim(storage, { limit: 1, exceptHandlerKeys: ['foreign'] })
      expect([answer.keys, answer.more]).toEqual([[50], true])
      const last = await claim(storage, { limit: 5, exceptHandlerKeys: ['foreign'] })
      expect([last.keys, last.more]).toEqual([[51], false])
      expect((await claim(storage, { limit: 2, exceptHandlerKeys: ['own'] })).keys).toEqual([0, 1])
    }, shards)
  })

  it('returns the instant at which the next occurrence with a handler on its node is due, even behind many other occurrences', async () => {
    await withStorage(async (storage) => {
      const { id: foreign } = await addJob(storage, 'foreign', 'allow')
      const { id: own } = await addJob(storage, 'own', 'allow')
      await create(
        storage,
        Array.from({ length: 150 }, (_, key) => trigger(foreign, key, slotAt(5) + key)),
      )
      const exceptHandlerKeys = ['foreign']
      expect((await claim(storage, { exceptHandlerKeys })).nextDueAt).toBe(null)
      expect((await claim(storage)).nextDueAt).toBe(slotAt(5))
      await create(storage, [trigger(own, 200, slotAt(8)), trigger(own, 201, slotAt(7))])
      expect((await claim(storage, { exceptHandlerKeys })).nextDueAt).toBe(slotAt(7))
      const due = await claim(storage, { now: slotAt(7), exceptHandlerKeys })
      expect([due.keys, due.nextDueAt]).toEqual([[201], slotAt(8)])
    }, shards)
  })

  it('takes only occurrences that are due by its node’s clock, and returns the instant at which the next occurrence is due', async () => {
    await withStorage(async (storage) => {
      const { id: job } = await addJob(storage, 'alpha', 'allow')
      await create(storage, [trigger(job, 1, slotAt(5)), trigger(job, 2, slotAt(4)), trigger(job, 3, slotAt(6))])
      // The clock of this node shows the instant of slot 6. With limit 0, the node learns that occurrences are due, and claims
      // none of them.
      expect((await claim(storage, { now: slotAt(6), limit: 0 })).more).toBe(true)
      const behind = await claim(storage, { now: slotAt(3) })
      expect([behind.keys, behind.more, behind.nextDueAt]).toEqual([[], false, slotAt(4)])
      const later = await claim(storage, { now: slotAt(4) })
      expect([later.keys, later.nextDueAt]).toEqual([[2], slotAt(5)])
    }, shards)
  })

  it('reports cancel requests of running occurrences only to their owner', async () => {
    await withStorage(async (storage) => {
      const { id: job } = await addJob(storage, 'alpha', 'allow')
      await create(storage, triggers(job, 1, 2, 3))
      const { claimed } = await claim(storage)
      const asked = claimed.slice(0, 2).toReversed()
      const cancel = { actor: null, mode: 'request' } as const
      await storage.cancel({
        now: slotAt(3),
        items: asked.map((record, index) => ({ ...record, ...cancel, reason: `stop ${index}` })),
      })
      const other = { node: owner.node, incarnation: 'node-a-2' }
      expect((await claim(storage, { owner: other })).cancelRequested).toEqual([])
      expect((await claim(storage)).cancelRequested).toEqual(
        [1, 0].map((index) => {
          const { id, jobId: itsJob, scheduledAt } = asked[index] as (typeof asked)[number]
          return { id, jobId: itsJob, scheduledAt, token: 1, reason: `stop ${index}` }
        }),
      )
      const change = { kind: 'finish', state: 'canceled', reason: null } as const
      await storage.settle({ now: slotAt(3), items: asked.map((record) => ({ ...record, sequence: 1, change })) })
      expect((await claim(storage)).cancelRequested).toEqual([])
    }, shards)
  })
})

it('a Redis claim over several shards takes occurrences up to its limit although some occurrences are blocked', async () => {
  await withStorage(async (storage) => {
    const jobs: JobRecord[] = []
    for (let index = 0; jobs.length < 2; index++) {
      const job = await addJob(storage, `job-${index}`, 'allow')
      if (shardOf(job.id, 2) === jobs.length) jobs.push(job)
    }
    const [first, second] = jobs as [JobRecord, JobRecord]
    await create(storage, [...triggers(first.id, 1, 2, 3), ...triggers(second.id, 4, 5)])
    await replaceOverlap(storage, first, 'queue')
    const answer = await claim(storage, { limit: 2 })
    expect([answer.keys, answer.more]).toEqual([[1, 4], true])
    expect((await claim(storage, { limit: 2 })).keys).toEqual([5])
    expect((await storage.get({ counts: [first.id] })).counts).toEqual([{ pending: 0, queued: 2, running: 1 }])
  }, 2)
})

it('the Redis storage keeps the answer of a claim for a day, and stores nothing for an empty claim', async () => {
  await withStorage(async (storage, prefix) => {
    const { id: job } = await addJob(storage, 'alpha', 'allow')
    await claim(storage)
    expect(await client.keys(`{${prefix}:0}:claimed:*`)).toEqual([])
    await create(storage, triggers(job, 1))
    await claim(storage)
    const [key] = await client.keys(`{${prefix}:0}:claimed:*`)
    const seconds = await client.ttl(key as string)
    expect(seconds).toBeGreaterThan(86_000)
    expect(seconds).toBeLessThanOrEqual(86_400)
  })
})

it('a reap in Redis is a rescue only if it makes the occurrence pending again', async () => {
  await withStorage(async (storage) => {
    const { id: job } = await addJob(storage, 'alpha', 'allow')
    await create(storage, triggers(job, 1, 2))
    const rescuesAfter = async (step: (records: readonly OccurrenceRecord[]) => Promise<unknown>) => {
      const { claimed } = await claim(storage, { now: slotAt(5) })
      expect(claimed).toHaveLength(2)
      await step(claimed)
      const { occurrences } = await storage.get({ occurrences: claimed.map(({ id }) => id) })
      return occurrences.map((record) => [record?.state, record?.rescues])
    }
    const release = { kind: 'release', dueAt: slotAt(1), reason: 'no_handler' } as const
    const handBack = (records: readonly OccurrenceRecord[]) => {
      const items = records.map((record) => ({ ...record, sequence: 1, change: release }))
      return storage.settle({ now: slotAt(5), items })
    }
    const reap = (action: 'retry' | 'fail') => (records: readonly OccurrenceRecord[]) => {
      const items = records.map((record) => ({ ...record, action, reason: 'deadline' }))
      return storage.reap({ now: slotAt(5) + 20 * minute, items })
    }
    expect(await rescuesAfter(handBack)).toEqual([
      ['pending', 0],
      ['pending', 0],
    ])
    for (const rescues of [1, 2]) {
      expect(await rescuesAfter(reap('retry'))).toEqual([
        ['pending', rescues],
        ['pending', rescues],
      ])
    }
    const { claimed } = await claim(storage, { now: slotAt(5), limit: 1 })
    await reap('fail')(claimed)
    const { claimed: rest } = await claim(storage, { now: slotAt(5), limit: 1 })
    await storage.saveJobs({ now: slotAt(5), changes: [{ kind: 'delete', id: jobId('alpha'), expectedVersion: null }] })
    await reap('retry')(rest)
    const { occurrences } = await storage.get({ occurrences: [...claimed, ...rest].map(({ id }) => id) })
    expect(occurrences.map((record) => [record?.state, record?.rescues])).toEqual([
      ['failed_stale', 2],
      ['canceled', 2],
    ])
  })
})
