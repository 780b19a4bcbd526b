import { isDeepStrictEqual } from 'node:util'
import { type JobId, jobId, missedRangeId, occurrenceId } from '@jobistemer/core'
import type {
  CreateItem,
  JobChange,
  OccurrenceRecord,
  OverlapPolicy,
  Page,
  SettleChange,
  SettleItem,
  Storage,
} from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import { type RedisProduct, sharedRedis } from '@jobistemer/test-servers'
import { afterEach, describe, expect, it } from 'vitest'
import { redisStorage } from '../src/index.ts'
import { finishItem, owner, slotAt, slotItem, start } from '@jobistemer/test-kit'
import { newPrefix, patient } from './prefixes.ts'
import { isThorough } from '../../workspace/test-effort.ts'

// If a batch has one item for each job, a script writes the batch by a few commands. If a batch has several items of
// one job, the script writes it item by item. These tests compare the results of both ways.

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function openTwo(product: RedisProduct, shards: number): Promise<readonly [Storage, Storage]> {
  const server = await sharedRedis(product)
  closing.push(() => server.stop())
  const open = () => {
    const storage = redisStorage({ url: server.url, prefix: newPrefix(), shards, ...patient })
    closing.push(() => storage.close())
    return storage
  }
  return [open(), open()]
}

const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'cancel_running', 'allow']

/** The situations of a job before the tested call, each with the item that this call creates. */
const situations = {
  fresh: (job) => slotItem(job, 1),
  waiting: (job) => ({ ...slotItem(job, 1), runs: null }),
  'slot 1 runs': (job) => slotItem(job, 2),
  'slot 2 behind it': (job) => slotItem(job, 3),
  'slot 1 is there': (job) => slotItem(job, 1),
  'slot 1 canceled ahead': (job) => slotItem(job, 1),
  'off schedule': (job) => slotItem(job, 3),
  'other version': (job) => ({ ...slotItem(job, 1), jobVersion: 2 }),
  trigger: (job) => trigger(job),
  'slot 1 runs, trigger': (job) => trigger(job),
  exclusion: (job) => exclusion(job, 4),
  recovery: (job) => recovery(job),
  deleted: (job) => slotItem(job, 1),
  paused: (job) => slotItem(job, 1),
  absent: (job) => slotItem(job, 1),
} satisfies Readonly<Record<string, (job: JobId) => CreateItem>>

type Situation = keyof typeof situations

interface Case {
  readonly job: JobId
  readonly policy: OverlapPolicy
  readonly situation: Situation
  readonly number: number
}

function trigger(job: JobId): CreateItem {
  const id = occurrenceId(job, slotAt(3) + 1)
  return { ...slotItem(job, 1), kind: 'trigger', id, scheduledAt: slotAt(3) - 1, dueAt: slotAt(3) - 1 }
}

function exclusion(job: JobId, index: number): CreateItem {
  const { id, scheduledAt } = slotItem(job, index)
  return { kind: 'exclusion', id, jobId: job, scheduledAt, jobVersion: 1, reason: 'holiday', details: {} }
}

function recovery(job: JobId): CreateItem {
  const { id, scheduledAt, executionTimeoutMs, details } = slotItem(job, 3)
  const span = { from: slotAt(1), to: slotAt(2), count: 2 }
  return {
    kind: 'recovery',
    id,
    jobId: job,
    scheduledAt,
    jobVersion: 1,
    expectedWatermark: start,
    watermark: scheduledAt,
    nextAt: slotAt(4),
    entries: [
      { kind: 'missed', id: missedRangeId(job, slotAt(1)), scheduledAt: slotAt(1), reason: 'recovery', span },
      { kind: 'run', id, scheduledAt, executionTimeoutMs, details },
    ],
  }
}

/** The cases of the current test: every situation with every policy, in several rounds. */
let cases: readonly Case[] = []

function casesOf(rounds: number): readonly Case[] {
  return Array.from({ length: rounds }).flatMap((_, round) =>
    policies.flatMap((policy) =>
      Object.keys(situations).map((situation, at) => {
        const job = jobId(`${situation} ${policy} ${round}`)
        return { job, policy, situation: situation as Situation, number: round * 7 + at }
      }),
    ),
  )
}

function jobsIn(...wanted: readonly Situation[]): readonly JobId[] {
  return cases.filter(({ situation }) => wanted.includes(situation)).map(({ job }) => job)
}

function creation(id: JobId, handlerKey: string, policy: OverlapPolicy): JobChange {
  const timeline = [{ after: null, until: null, schedule: { type: 'every', minutes: 1 } }]
  const overlap = { policy, maxQueued: 1000 }
  const print = { fingerprint: 'print-1', definition: {} }
  return {
    kind: 'create',
    id,
    content: { name: id, owner: null, ...print, handlerKey, overlap, timeline, nextAt: slotAt(1) },
  }
}

async function prepare(storage: Storage): Promise<void> {
  const present = cases.filter(({ situation }) => situation !== 'absent')
  await storage.saveJobs({ now: start, changes: present.map(({ job, policy }) => creation(job, job, policy)) })
  const running = jobsIn('slot 1 runs', 'slot 2 behind it', 'slot 1 is there', 'slot 1 runs, trigger')
  const items = running.map((job): CreateItem => slotItem(job, 1))
  items.push(...jobsIn('slot 2 behind it').map((job) => slotItem(job, 2)))
  items.push(...jobsIn('slot 1 canceled ahead').map((job) => exclusion(job, 1)))
  await storage.createOccurrences({ now: slotAt(2), owner, items })
  const gone = jobsIn('deleted').map((id) => ({ kind: 'delete', id, expectedVersion: null }) as const)
  const paused = { at: start, actor: null, reason: null }
  const halted = jobsIn('paused').map((id) => ({ kind: 'pause', id, paused }) as const)
  await storage.saveJobs({ now: slotAt(2), changes: [...gone, ...halted] })
}

/** Requests cancels of some running occurrences, and deletes some of their jobs. */
async function disturb(storage: Storage): Promise<void> {
  const asked = cases.filter(({ number }) => number % 4 === 0)
  const items = asked.map(({ job }) => {
    const { id, jobId, scheduledAt } = slotItem(job, 1)
    return { id, jobId, scheduledAt, reason: 'stop', actor: null, mode: 'request' } as const
  })
  await storage.cancel({ now: slotAt(4), items })
  const gone = cases.filter(({ number }) => number % 11 === 0)
  const changes = gone.map(({ job }) => ({ kind: 'delete', id: job, expectedVersion: null }) as const)
  await storage.saveJobs({ now: slotAt(4), changes })
}

const settlements: readonly (Partial<SettleItem> & { readonly change: SettleChange })[] = [
  { change: { kind: 'finish', state: 'completed', reason: null } },
  { change: { kind: 'release', dueAt: slotAt(5), reason: 'shutdown' } },
  { change: { kind: 'finish', state: 'failed', reason: 'broken' } },
  { change: { kind: 'progress' } },
  { change: { kind: 'release', dueAt: slotAt(9), reason: 'retry' } },
  { change: { kind: 'progress' }, sequence: 0 },
  { change: { kind: 'finish', state: 'completed', reason: null }, token: 7 },
]

function itemsToSettle(): readonly SettleItem[] {
  return cases.map(({ job, situation }, index): SettleItem => {
    const { id, scheduledAt } = situation === 'trigger' ? trigger(job) : slotItem(job, 1)
    return { ...finishItem(job, 1), id, scheduledAt, ...settlements[Math.floor(index / 75) % 7] } as SettleItem
  })
}

/** Sends each item in its own call, twice, and returns the first answers. The repetition must change nothing. */
async function oneByOne<Item, Answer>(
  items: readonly Item[],
  send: (items: readonly Item[]) => Promise<readonly Answer[]>,
): Promise<readonly (Answer | undefined)[]> {
  return await Promise.all(items.map(async (item) => (await send([item, item]))[0]))
}

/** Asserts that two values are equal. Strict equality is much cheaper to check, and its failure shows nothing. */
function expectEqual(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected)
}

async function contentOf(storage: Storage) {
  const { jobs } = await storage.get({ jobs: cases.map(({ job }) => job) })
  const page = { limit: 5000, cursor: null, runs: true } as const
  const histories = cases.map(({ job }) =>
    storage.listOccurrences({ ...page, kind: 'job', jobId: job, order: 'ascending' }),
  )
  const states = ['pending', 'queued', 'running'] as const
  const live = states.map((state) => storage.listOccurrences({ ...page, kind: 'live', state }))
  const pages: readonly Page<OccurrenceRecord>[] = await Promise.all([...histories, ...live])
  return { jobs, occurrences: pages.map(({ items }) => items) }
}

// Seven rounds contain each settlement once. The batch of 14 rounds has 1050 items, and a script call takes at most 1000, so
// this batch is split. long-history.test.ts also tests this split, and Valkey runs the same scripts. So `npm test` compares
// both ways only with seven rounds on several shards.
const servers: readonly (readonly [RedisProduct, number, number])[] = isThorough
  ? [
      ['redis', 1, 14],
      ['redis', 3, 14],
      ['valkey', 1, 14],
    ]
  : [['redis', 3, 7]]

describe.each(servers)('a storage call with items of many jobs on %s with %i shards', (product, shards, rounds) => {
  it('has the same effect and the same answers as one storage call for each item', async () => {
    cases = casesOf(rounds)
    const toCreate = cases.map(({ job, situation }) => situations[situation](job))
    const toSettle = itemsToSettle()
    const [together, apart] = await openTwo(product, shards)
    await Promise.all([prepare(together), prepare(apart)])
    const create = (storage: Storage) => (items: readonly CreateItem[]) =>
      storage.createOccurrences({ now: slotAt(3), owner, items })
    const created = await create(together)(toCreate)
    expectEqual(created, await oneByOne(toCreate, create(apart)))
    const outcomes = ['absent', 'created', 'exists', 'off_schedule', 'stale_version']
    expect([...new Set(created.map(({ outcome }) => outcome))].sort()).toEqual(outcomes)
    expectEqual(await contentOf(together), await contentOf(apart))

    await Promise.all([disturb(together), disturb(apart)])
    const settle = (storage: Storage) => (items: readonly SettleItem[]) => storage.settle({ now: slotAt(4), items })
    const settled = await settle(together)(toSettle)
    expectEqual(settled, await oneByOne(toSettle, settle(apart)))
    expect(settled.some((answer) => answer.outcome === 'ok' && answer.woken !== null)).toBe(true)
    expect(settled.some((answer) => answer.outcome === 'ok' && answer.cancelRequested !== null)).toBe(true)
    expect(settled.some((answer) => answer.outcome === 'lost' && answer.state === 'running')).toBe(true)
    expect(settled.some((answer) => answer.outcome === 'lost' && answer.state === 'absent')).toBe(true)
    expectEqual(await contentOf(together), await contentOf(apart))

    const claim = { now: slotAt(6), owner, limit: 5000, exceptHandlerKeys: jobsIn('trigger'), sweep: false }
    const claimed = await together.claim(claim)
    expectEqual(claimed, await apart.claim(claim))
    expect(claimed.claimed.length).toBeGreaterThan(0)
    await assertLedger(together)
  })
})

it('a claim takes no occurrences of the handler keys and job ids that it excludes', async () => {
  const [storage] = await openTwo('redis', 1)
  const [own, follower, other, named] = ['own', 'follower', 'other', 'named'].map((name) => jobId(name)) as [
    JobId,
    JobId,
    JobId,
    JobId,
  ]
  const keys = new Map<JobId, string>([
    [own, own],
    [follower, own],
    [other, other],
    [named, 'handlers:a'],
  ])
  const changes = [...keys].map(([job, key]) => creation(job, key, 'skip'))
  await storage.saveJobs({ now: start, changes })
  const { jobs } = await storage.get({ jobs: [...keys.keys()] })
  expect(jobs.map((job) => job?.handlerKey)).toEqual([...keys.values()])
  const items = [...keys.keys()].map((job) => ({ ...slotItem(job, 1), runs: null }))
  await storage.createOccurrences({ now: slotAt(1), owner, items })
  const claimBut = async (...exceptHandlerKeys: readonly string[]) => {
    const answer = await storage.claim({ now: slotAt(1), owner, limit: 10, exceptHandlerKeys, sweep: false })
    return answer.claimed.map((record) => record.jobId)
  }
  // A claim leaves out jobs by their handler keys, not by their ids. The handler key of one job may be the id of
  // another job. A claim that leaves out this key then still takes occurrences of the other job.
  expect(await claimBut(own, 'handlers:a', follower)).toEqual([other])
  expect(await claimBut(own, other)).toEqual([named])
  expect((await claimBut(named)).sort()).toEqual([own, follower].sort())
})
