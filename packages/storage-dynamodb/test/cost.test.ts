import { readFileSync } from 'node:fs'
import { type JobId, jobId } from '@jobistemer/core'
import type { HeartbeatRequest, NodeRecord, OverlapPolicy, SettleItem, Storage } from '@jobistemer/core/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import {
  addJob,
  contentOf,
  finishItem,
  firstAttempt,
  minute,
  owner,
  slotAt,
  slotItem,
  start,
  triggerItem,
} from '@jobistemer/test-kit'
import { type Meter, meteredClient, type Usage } from './metered-client.ts'

let meter: Meter
let storage: Storage
let tests = 0

beforeAll(async () => {
  meter = meteredClient(inject('dynamodb'))
  await createTable({ client: meter.client, tableName: 'cost' })
})

afterAll(() => {
  meter?.client.destroy()
})

beforeEach(() => {
  storage = dynamodbStorage({ client: meter.client, tableName: 'cost', prefix: `test-${++tests}` })
})

const create = async (...items: readonly ReturnType<typeof slotItem | typeof triggerItem>[]) => {
  const [answer] = await storage.createOccurrences({ now: items.at(-1)?.scheduledAt ?? 0, owner, items })
  expect(answer?.outcome).not.toBe('absent')
}

const settle = async (item: SettleItem) => {
  expect(await storage.settle({ now: item.scheduledAt + 20, items: [item] })).toMatchObject([{ outcome: 'ok' }])
}

const claim = async (sweep = false) => {
  await storage.claim({ now: slotAt(200), owner, limit: 10, exceptHandlerKeys: [], sweep })
}

const incarnationOf = (index: number): string => `00000000-0000-4000-8000-00000000000${index}`

/** Returns a node record as an engine stores it. */
function nodeRecord(index: number, counter: number): NodeRecord {
  const versions = { node: '22.21.0', jobistemer: '1.0.0' }
  const host = `worker-7d9f8b6c5d-x2x${index}`
  const about = {
    host,
    pid: 4711,
    versions,
    maxConcurrentJobs: 50,
    process: '4026531836 1763',
    code: 'a'.repeat(16),
    running: 3,
  }
  return { node: host, incarnation: incarnationOf(index), counter, startedAt: slotAt(0), leaving: false, about }
}

async function beat(own: NodeRecord, request: Partial<HeartbeatRequest> = {}): Promise<void> {
  await storage.heartbeat({ now: slotAt(0), own, remove: [], profilesOf: [], ...request })
}

/** Adds a job, and runs one occurrence of it to the end. Returns the job's id. */
async function usedJob(name: string, policy: OverlapPolicy = 'skip'): Promise<JobId> {
  const { id } = await addJob(storage, name, policy)
  await create(slotItem(id, 1))
  await settle(finishItem(id, 1))
  return id
}

/** Adds a job with `running` running occurrences and `maxConcurrency` places. */
async function busyJob(running: number, maxConcurrency: number): Promise<JobId> {
  const id = jobId('letters')
  const overlap = { policy: 'queue', maxQueued: 1000, maxConcurrency } as const
  await storage.saveJobs({
    now: start,
    changes: [{ kind: 'create', id, content: { ...contentOf('letters'), overlap } }],
  })
  const items = Array.from({ length: running }, (_, index) => slotItem(id, index + 1))
  const answers = await storage.createOccurrences({ now: slotAt(running), owner, items })
  expect(new Set(answers.map((answer) => ('state' in answer ? answer.state : answer.outcome)))).toEqual(
    new Set(['running']),
  )
  return id
}

/** The steps of the cost table in the package's guide, by the title of their row. */
const steps: Readonly<Record<string, () => Promise<Usage>>> = {
  'create and start': async () => {
    const id = await usedJob('nightly-report')
    return await meter.measure(() => create(slotItem(id, 2)))
  },
  finish: async () => {
    const { id } = await addJob(storage, 'nightly-report')
    await create(slotItem(id, 1))
    return await meter.measure(() => settle(finishItem(id, 1)))
  },
  'finish as failed': async () => {
    const { id } = await addJob(storage, 'nightly-report')
    await create(slotItem(id, 1))
    const change = { kind: 'finish', state: 'failed', reason: null } as const
    return await meter.measure(() => settle({ ...finishItem(id, 1), change }))
  },
  'a further task, or a retry': async () => {
    const { id } = await addJob(storage, 'nightly-report')
    await create(slotItem(id, 1))
    const runs = [...firstAttempt(slotAt(1)), ...firstAttempt(slotAt(1)).map((run) => ({ ...run, task: 'upload' }))]
    return await meter.measure(() => settle({ ...finishItem(id, 1), runs, change: { kind: 'progress' } }))
  },
  'a slot that another node has created': async () => {
    const id = await usedJob('nightly-report')
    return await meter.measure(() => create(slotItem(id, 1)))
  },
  'a slot that is skipped': async () => {
    const { id } = await addJob(storage, 'nightly-report')
    await create(slotItem(id, 1))
    return await meter.measure(() => create(slotItem(id, 2)))
  },
  'queue behind the running one': async () => {
    const { id } = await addJob(storage, 'nightly-report', 'queue')
    await create(slotItem(id, 1))
    return await meter.measure(() => create(slotItem(id, 2)))
  },
  'queue behind one that has others behind it': async () => {
    const { id } = await addJob(storage, 'nightly-report', 'queue')
    await create(slotItem(id, 1))
    await create(slotItem(id, 2))
    return await meter.measure(() => create(slotItem(id, 3)))
  },
  'finish and wake the next': async () => {
    const { id } = await addJob(storage, 'nightly-report', 'queue')
    await create(slotItem(id, 1))
    await create(slotItem(id, 2))
    return await meter.measure(() => settle(finishItem(id, 1)))
  },
  'claim what was woken': async () => {
    const { id } = await addJob(storage, 'nightly-report', 'queue')
    await create(slotItem(id, 1))
    await create(slotItem(id, 2))
    await settle(finishItem(id, 1))
    return await meter.measure(() => claim())
  },
  'create and start where 100 of the job run': async () => {
    const id = await busyJob(100, 150)
    return await meter.measure(() => create(slotItem(id, 101)))
  },
  'queue behind 100 of the job that run, and others': async () => {
    const id = await busyJob(100, 100)
    await create(slotItem(id, 101))
    return await meter.measure(() => create(slotItem(id, 102)))
  },
  'finish one of 100, and wake the next': async () => {
    const id = await busyJob(100, 100)
    await create(slotItem(id, 101))
    return await meter.measure(() => settle(finishItem(id, 1)))
  },
  'claim what was woken where 99 of the job run': async () => {
    const id = await busyJob(100, 100)
    await create(slotItem(id, 101))
    await settle(finishItem(id, 1))
    return await meter.measure(() => claim())
  },
  'trigger that waits for a node': async () => {
    const id = await usedJob('nightly-report')
    return await meter.measure(() => create(triggerItem(id, 1, slotAt(1) + 1)))
  },
  'a poll that finds nothing': async () => {
    await usedJob('nightly-report')
    return await meter.measure(() => claim())
  },
  'a poll that also sweeps': async () => {
    await usedJob('nightly-report')
    return await meter.measure(() => claim(true))
  },
  'a poll where two priorities have been used': async () => {
    const { id } = await addJob(storage, 'nightly-report', 'allow')
    for (const [key, priority] of [5, -5].entries()) {
      await create({ ...triggerItem(id, key, slotAt(1) + 1), details: { priority } })
    }
    const { claimed } = await storage.claim({ now: slotAt(9), owner, limit: 10, exceptHandlerKeys: [], sweep: false })
    expect(claimed).toHaveLength(2)
    for (const { scheduledAt, id: itsId, token } of claimed) {
      await settle({ ...finishItem(id, 1), id: itsId, scheduledAt, token })
    }
    return await meter.measure(() => claim())
  },
  'look for what is overdue': async () => {
    await usedJob('nightly-report')
    const query = { kind: 'live', state: 'running', deadlineBefore: slotAt(1), runs: true, limit: 100 } as const
    return await meter.measure(() => storage.listOccurrences({ ...query, cursor: null }))
  },
  'look for changed jobs': async () => {
    await usedJob('nightly-report')
    const query = { changedSince: slotAt(5), deleted: true, limit: 100, cursor: null }
    return await meter.measure(() => storage.listJobs(query))
  },
  'a heartbeat among ten nodes': async () => {
    for (let index = 0; index < 10; index++) await beat(nodeRecord(index, 1))
    return await meter.measure(() => beat(nodeRecord(0, 2)))
  },
  'a heartbeat that removes a dead node': async () => {
    await beat(nodeRecord(0, 1), { profile: { handlers: ['report'], jobs: '' } })
    return await meter.measure(() =>
      beat(nodeRecord(1, 1), { remove: [{ incarnation: incarnationOf(0), counter: 1 }] }),
    )
  },
  'define a job': async () => {
    await usedJob('nightly-report')
    return await meter.measure(() => addJob(storage, 'another'))
  },
  'prune ten occurrences': async () => {
    const { id } = await addJob(storage, 'nightly-report')
    for (let index = 1; index <= 10; index++) {
      await create(slotItem(id, index))
      await settle(finishItem(id, index))
    }
    const request = { now: slotAt(99), jobId: id, before: slotAt(10) + minute, keep: 0, limit: 100 }
    return await meter.measure(() => storage.prune(request))
  },
}

const guide = readFileSync(new URL('../docs/guide.md', import.meta.url), 'utf8')

/** Returns the DynamoDB request units that the package's guide states for a step. */
function statedCost(step: string): Usage {
  const row = guide.split('\n').find((line) => line.startsWith(`| ${step} |`))
  const [tableWrites, indexWrites, reads, writeRequests, readRequests] = (row ?? '').split('|').slice(2, 7).map(Number)
  return { tableWrites, indexWrites, reads, writeRequests, readRequests } as Usage
}

describe('DynamoDB charges as many request units as the guide’s cost sheet states', () => {
  it.each(Object.keys(steps))('for this operation: %s', async (step) => {
    // The first call of a storage also checks the table, so the test makes this call before the measured step.
    await storage.get({})
    const usage = await (steps[step] as () => Promise<Usage>)()
    expect(usage).toEqual(statedCost(step))
  })

  it('and reports as many units for plain writes as this test counts', async () => {
    await usedJob('nightly-report')
    expect(meter.plainWrites.reported).toBeGreaterThan(0)
    expect(meter.plainWrites.counted).toBe(meter.plainWrites.reported)
  })
})

it('the head of a job with a long name, a pause and a running occurrence is smaller than 1 KB', async () => {
  const { id } = await addJob(storage, 'n'.repeat(255))
  await create(slotItem(id, 1))
  const paused = { at: slotAt(1), reason: 'r'.repeat(100), actor: 'somebody@example.org' }
  await storage.saveJobs({ now: slotAt(1), changes: [{ kind: 'pause', id, paused }] })
  const usage = await meter.measure(() => create(slotItem(id, 2)))
  expect(usage.tableWrites).toBe(6)
})

it('a prune that keeps the ten latest of 100 occurrences reads a few of them if it removes none', async () => {
  const { id } = await addJob(storage, 'nightly-report', 'allow')
  const slots = Array.from({ length: 100 }, (_, index) => index + 1)
  await create(...slots.map((index) => slotItem(id, index)))
  const settled = await storage.settle({ now: slotAt(100), items: slots.map((index) => finishItem(id, index)) })
  expect(settled.every(({ outcome }) => outcome === 'ok')).toBe(true)
  const request = { now: slotAt(101), jobId: id, before: slotAt(1), keep: 10, limit: 100 }
  const { reads } = await meter.measure(() => storage.prune(request))
  expect(reads).toBeLessThanOrEqual(5)
})
