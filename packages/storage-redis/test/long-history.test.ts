import type { CreateRequested, Storage } from '@jobistemer/core/storage'
import { sharedRedis } from '@jobistemer/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisStorage } from '../src/index.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { newPrefix, patient } from './prefixes.ts'

let server: Awaited<ReturnType<typeof sharedRedis>>
let storage: Storage

beforeAll(async () => {
  server = await sharedRedis()
  storage = redisStorage({ url: server.url, prefix: newPrefix(), ...patient })
})

afterAll(async () => {
  await storage.close()
  await server.stop()
})

/** Returns a trigger with an id derived from the number. */
function trigger(jobId: `job_${string}`, number: number, scheduledAt: number): CreateRequested {
  const hex = number.toString(16).padStart(12, '0')
  return {
    ...slotItem(jobId, 1),
    kind: 'trigger',
    id: `occ_00000000-0000-5000-8000-${hex}`,
    scheduledAt,
    dueAt: scheduledAt,
    runs: null,
  }
}

async function readAll(jobId: `job_${string}`, order: 'ascending' | 'descending', limit: number) {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const query = { kind: 'job', jobId, order, limit, cursor, runs: false } as const
    const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences(query)
    ids.push(...page.items.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== null)
  return ids
}

describe('a Redis call with more items than one script processes', () => {
  it('creates 2,500 occurrences, which are listed and claimed in order and pruned in several steps', async () => {
    const job = await addJob(storage, 'alpha', 'allow')
    // Groups of ten triggers share one instant.
    const items = Array.from({ length: 2500 }, (_, number) =>
      trigger(job.id, number, slotAt(1) + Math.floor(number / 10)),
    )
    const answers = await storage.createOccurrences({ now: slotAt(2), owner, items })
    expect(answers.every((answer) => answer.outcome === 'created' && answer.state === 'pending')).toBe(true)
    const ids = items.map(({ id }) => id)
    expect(await readAll(job.id, 'ascending', 777)).toEqual(ids)
    expect(await readAll(job.id, 'descending', 2500)).toEqual(ids.toReversed())

    const claimed: string[] = []
    for (;;) {
      const claim = { now: slotAt(2), owner, limit: 900, exceptHandlerKeys: [], sweep: false }
      const answer = await storage.claim(claim)
      claimed.push(...answer.claimed.map(({ id }) => id))
      expect(answer.more).toBe(claimed.length < 2500)
      if (!answer.more) break
    }
    expect(claimed).toEqual(ids)

    const finished = items.slice(500).map(({ id, scheduledAt }) => ({
      id,
      jobId: job.id,
      scheduledAt,
      token: 1,
      sequence: 1,
      runs: [],
      change: { kind: 'finish', state: 'completed', reason: null } as const,
    }))
    const settled = await storage.settle({ now: slotAt(3), items: finished })
    expect(settled.every(({ outcome }) => outcome === 'ok')).toBe(true)
    const prune = { now: slotAt(3), jobId: null, before: slotAt(3), keep: 100, limit: 700 }
    // A prune removes only occurrences before the job's next slot. So this change removes the next slot from the job.
    const replaced = { ...job, nextAt: null }
    await storage.saveJobs({
      now: slotAt(3),
      changes: [
        {
          kind: 'replace',
          id: job.id,
          content: replaced,
          expectedVersion: 1,
          expectedWatermark: job.watermark,
          waiting: 'keep',
        },
      ],
    })
    expect(await storage.prune(prune)).toEqual({ removed: 700, more: true })
    expect(await storage.prune(prune)).toEqual({ removed: 700, more: true })
    expect(await storage.prune(prune)).toEqual({ removed: 500, more: false })
    expect(await readAll(job.id, 'ascending', 1000)).toEqual([...ids.slice(0, 500), ...ids.slice(2400)])
    const versions = [1, 2].map((version) => ({ jobId: job.id, version }))
    expect((await storage.get({ versions })).versions.map((version) => version?.version)).toEqual([1, 2])
  })

  it('finds all 2,500 triggers that become due at one instant, oldest first', async () => {
    const job = await addJob(storage, 'beta', 'allow')
    const items = Array.from({ length: 2500 }, (_, number) => ({
      ...trigger(job.id, 10_000 + number, slotAt(10) - number),
      dueAt: slotAt(20),
    }))
    await storage.createOccurrences({ now: slotAt(10), owner, items })
    const claim = { owner, limit: 3, exceptHandlerKeys: [], sweep: false }
    const early = await storage.claim({ ...claim, now: slotAt(20) - 1 })
    expect([early.claimed, early.more, early.nextDueAt]).toEqual([[], false, slotAt(20)])
    const { claimed, more, nextDueAt } = await storage.claim({ ...claim, now: slotAt(20) })
    expect(claimed.map(({ id }) => id)).toEqual(
      items
        .slice(-3)
        .map(({ id }) => id)
        .toReversed(),
    )
    expect([more, nextDueAt]).toEqual([true, null])
  })

  it('lists 1,100 jobs in the order of their ids, and so does a list of changed jobs', async () => {
    const before = (await storage.listJobs({ limit: 10_000, cursor: null })).items.length
    const names = Array.from({ length: 1100 }, (_, number) => `many-${number}`)
    const jobs = await Promise.all(names.map(async (name) => await addJob(storage, name)))
    for (const changedSince of [undefined, slotAt(0)]) {
      const found: string[] = []
      let cursor: string | null = null
      do {
        const query = { limit: 400, cursor, ...(changedSince === undefined ? {} : { changedSince }) }
        const page: Awaited<ReturnType<Storage['listJobs']>> = await storage.listJobs(query)
        found.push(...page.items.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== null)
      expect(found).toHaveLength(before + jobs.length)
      expect(found).toEqual(found.toSorted())
      expect(found).toEqual(expect.arrayContaining(jobs.map(({ id }) => id)))
    }
  })
})
