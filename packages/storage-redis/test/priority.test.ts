import { type JobId, jobId } from '@jobistemer/core'
import { type CreateRequested, type OccurrenceRecord, priorityStepMs, type Storage } from '@jobistemer/core/storage'
import { addJob, contentOf, finishItem, owner, slotAt, slotItem, start, triggerItem } from '@jobistemer/test-kit'
import { sharedRedis } from '@jobistemer/test-servers'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { redisStorage } from '../src/index.ts'
import { newPrefix, patient } from './prefixes.ts'

let server: Awaited<ReturnType<typeof sharedRedis>>
let storage: Storage

beforeAll(async () => {
  server = await sharedRedis()
})

afterAll(async () => {
  await server.stop()
})

beforeEach(() => {
  storage = redisStorage({ url: server.url, prefix: newPrefix(), shards: 3, ...patient })
})

afterEach(async () => {
  await storage.close()
})

function trigger(job: JobId, key: number, at: number, priority: number): CreateRequested {
  return { ...triggerItem(job, key, at), details: priority === 0 ? {} : { priority } }
}

async function claim(limit: number, now: number): Promise<readonly OccurrenceRecord[]> {
  return (await storage.claim({ now, owner, limit, exceptHandlerKeys: [], sweep: false })).claimed
}

it('claims over several shards take thousands of occurrences in the order of priority, whatever the limit of the claims is', async () => {
  const jobs: JobId[] = []
  for (const name of ['alpha', 'beta', 'gamma', 'delta', 'epsilon'])
    jobs.push((await addJob(storage, name, 'allow')).id)
  // The scheduled times of each priority level are one hour (`priorityStepMs`) later than those of the level below. The
  // order of waiting occurrences subtracts one hour for each level of priority. So occurrences of all levels alternate
  // in this order.
  const items = Array.from({ length: 2100 }, (_, key) => {
    const priority = (key % 21) - 10
    const at = slotAt(1) + (priority + 10) * priorityStepMs + key * 7
    return trigger(jobs[key % jobs.length] as JobId, key, at, priority)
  })
  const now = slotAt(1) + 22 * priorityStepMs
  await storage.createOccurrences({ now, owner, items: items.toReversed() })
  const claimed: string[] = []
  for (let limit = 1; ; limit = (limit * 3) % 250) {
    const some = await claim(limit, now)
    if (some.length === 0) break
    claimed.push(...some.map(({ id }) => id))
  }
  expect(claimed).toEqual(items.map(({ id }) => id))
})

it('occurrences that waited for their due time or for the end of a pause are claimed in the order of their priority', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  const paused = { at: slotAt(1), until: slotAt(20), reason: null, actor: null }
  await storage.saveJobs({ now: slotAt(1), changes: [{ kind: 'pause', id, paused }] })
  const items = [trigger(id, 1, slotAt(4), -1), trigger(id, 2, slotAt(6), 1), trigger(id, 3, slotAt(5), 0)]
  await storage.createOccurrences({ now: slotAt(5), owner, items })
  expect(await claim(5, slotAt(19))).toEqual([])
  for (const index of [1, 2, 0]) expect(await claim(1, slotAt(20))).toMatchObject([{ id: items[index]?.id }])
})

/** Creates a job whose first slot is running, with `count` triggers queued behind the slot. */
async function queueOf(count: number, priorityOf: (key: number) => number): Promise<JobId> {
  const content = { ...contentOf('alpha', 'queue'), overlap: { policy: 'queue', maxQueued: count } } as const
  const id = jobId('alpha')
  await storage.saveJobs({ now: start, changes: [{ kind: 'create', id, content }] })
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  const items = Array.from({ length: count }, (_, key) => trigger(id, key, slotAt(2) + key, priorityOf(key)))
  await storage.createOccurrences({ now: slotAt(9), owner, items })
  return id
}

async function latestOf(id: JobId): Promise<OccurrenceRecord | null | undefined> {
  return (await storage.get({ latest: [id] })).latest[0]
}

it('the latest run of a job is found although 1,500 occurrences are queued and the newest of them has the highest priority', async () => {
  const id = await queueOf(1500, (key) => (key >= 1490 ? 10 : 0))
  const [answer] = await storage.settle({ now: slotAt(9), items: [finishItem(id, 1)] })
  expect(answer).toMatchObject({ woken: { scheduledAt: slotAt(2) + 1490 } })
  expect(await latestOf(id)).toMatchObject({ scheduledAt: slotAt(1), state: 'completed' })
})

it('the latest run of a job is found even if, because of its priority, this run started before older queued runs', async () => {
  const id = await queueOf(300, (key) => (key === 290 ? 10 : 0))
  await storage.settle({ now: slotAt(9), items: [finishItem(id, 1)] })
  const [held] = (await claim(1, slotAt(9))) as [OccurrenceRecord]
  const { jobId: itsJob, scheduledAt, token } = held
  const change = { kind: 'finish', state: 'completed', reason: null } as const
  const item = { id: held.id, jobId: itsJob, scheduledAt, token, sequence: 1, runs: [], change }
  expect(await storage.settle({ now: slotAt(9), items: [item] })).toMatchObject([{ outcome: 'ok' }])
  expect(await latestOf(id)).toMatchObject({ id: held.id, details: { priority: 10 } })
})
