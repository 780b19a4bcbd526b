import { jobId, occurrenceId } from '@jobistemer/core'
import type { Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Recorded, recordingStorage } from '../src/node/recording-storage.ts'
import { withCrashPoint } from '../src/node/crash-points.ts'
import { hostTime } from '../src/record/host-time.ts'

const job = jobId('job')
const owner = { node: 'node-1', incarnation: 'first' }
const slot = (number: number) => number * 1000
const runs: readonly TaskRunRecord[] = [
  { task: 'work', state: 'running', attempts: [{ number: 1, state: 'running', startedAt: slot(1), endedAt: null }] },
]

let inner: Storage
let recorded: Recorded[]
let storage: Storage

beforeEach(async () => {
  inner = sqliteStorage({ file: ':memory:' })
  recorded = []
  const jobNames = new Map<string, string>([[job, 'the job']])
  storage = recordingStorage(inner, { record: (event) => recorded.push(event), nodeId: 'node-1', jobNames })
  await storage.saveJobs({
    now: 500,
    changes: [
      {
        kind: 'create',
        id: job,
        content: {
          name: 'job',
          owner: null,
          fingerprint: 'one',
          definition: {},
          handlerKey: 'job',
          overlap: { policy: 'queue', maxQueued: 10 },
          timeline: [{ after: null, until: null, schedule: cron('* * * * * *').toJSON() }],
          nextAt: slot(1),
        },
      },
    ],
  })
})

afterEach(() => inner.close())

async function create(number: number) {
  const item = {
    kind: 'slot',
    id: occurrenceId(job, slot(number)),
    jobId: job,
    scheduledAt: slot(number),
    jobVersion: 1,
    nextAt: slot(number + 1),
    executionTimeoutMs: 300,
    details: {},
    runs,
  } as const
  await storage.createOccurrences({ now: slot(number), owner, items: [item] })
  return item
}

it('the recording storage records the creation and the start of an occurrence with token and deadline', async () => {
  const item = await create(1)
  expect(recorded).toEqual([
    { event: 'created', occurrence: item.id, job: 'the job', origin: 'slot', state: 'running' },
    {
      event: 'granted',
      by: 'create',
      occurrence: item.id,
      job: 'the job',
      node: 'node-1',
      token: 1,
      now: slot(1),
      deadline: slot(1) + 300,
      sentAt: expect.any(Number),
    },
  ])
})

it('the recording storage does not record the creation of an occurrence that exists', async () => {
  await create(1)
  recorded.length = 0
  await create(1)
  expect(recorded).toEqual([])
})

it('the recording storage records ends, rejections, reaps and claims when the storage has answered', async () => {
  const item = await create(1)
  const second = await create(2)
  recorded.length = 0
  const { id, jobId, scheduledAt } = item
  const address = { id, jobId, scheduledAt, token: 1 }
  await storage.reap({
    now: slot(3),
    items: [{ ...address, sequence: 0, runs, action: 'fail', reason: 'execution_timeout' }],
  })
  await storage.settle({ now: slot(3), items: [{ ...address, sequence: 1, runs, change: { kind: 'progress' } }] })
  await storage.claim({ now: slot(3), owner, limit: 1, exceptHandlerKeys: [], sweep: false })
  const finish = { kind: 'finish', state: 'completed', reason: null } as const
  const settled = { id: second.id, jobId, scheduledAt: second.scheduledAt, token: 1, sequence: 1, runs, change: finish }
  await storage.settle({ now: slot(3), items: [settled] })
  expect(recorded).toEqual([
    {
      event: 'reaped',
      occurrence: id,
      node: 'node-1',
      token: 1,
      action: 'fail',
      reason: 'execution_timeout',
      now: slot(3),
      sentAt: expect.any(Number),
    },
    { event: 'refused', occurrence: id, token: 1 },
    {
      event: 'granted',
      by: 'claim',
      occurrence: second.id,
      job: 'the job',
      node: 'node-1',
      token: 1,
      now: slot(3),
      deadline: slot(3) + 300,
      sentAt: expect.any(Number),
    },
    {
      event: 'settled',
      occurrence: second.id,
      token: 1,
      sequence: 1,
      change: 'finish',
      state: 'completed',
      sentAt: expect.any(Number),
    },
  ])
})

it('a settle that is repeated after a lost answer is recorded with the time of its first sending', async () => {
  let isLost = true
  const answering = wrapStorage(inner, {
    async settle(request) {
      const answers = await inner.settle(request)
      if (isLost) throw new Error('the answer got lost')
      return answers
    },
  })
  const again = recordingStorage(answering, {
    record: (event) => recorded.push(event),
    nodeId: null,
    jobNames: new Map(),
  })
  const { id, jobId, scheduledAt } = await create(1)
  recorded.length = 0
  const item = { id, jobId, scheduledAt, token: 1, sequence: 1, runs, change: { kind: 'progress' } } as const
  await expect(again.settle({ now: slot(2), items: [item] })).rejects.toThrow('lost')
  const lostAt = hostTime().mono
  isLost = false
  await again.settle({ now: slot(2), items: [item] })
  expect(recorded).toEqual([expect.objectContaining({ event: 'settled', sequence: 1, sentAt: expect.any(Number) })])
  const [line] = recorded
  expect(line?.event === 'settled' && line.sentAt < lostAt).toBe(true)
})

it('the recording storage records a forced cancel, but no cancel request to the owner', async () => {
  const { id, jobId, scheduledAt } = await create(1)
  recorded.length = 0
  const address = { id, jobId, scheduledAt, reason: 'test', actor: null }
  await storage.cancel({ now: slot(2), items: [{ ...address, mode: 'request' }] })
  await storage.cancel({ now: slot(2), items: [{ ...address, mode: 'force' }] })
  expect(recorded).toEqual([{ event: 'canceled', occurrence: id, sentAt: expect.any(Number) }])
})

it('the recording storage records readings of the storage’s clock, and adds no clock to a storage without one', async () => {
  expect(storage.serverTime).toBeUndefined()
  const telling = wrapStorage(inner, { serverTime: async () => 1234 })
  const record = (event: Recorded): number => recorded.push(event)
  const watched = recordingStorage(telling, { record, nodeId: null, jobNames: new Map() })
  expect(await watched.serverTime?.()).toBe(1234)
  expect(recorded).toEqual([{ event: 'clock-read', time: 1234, resolutionMs: 1, sentAt: expect.any(Number) }])
})

it('a crash before a storage call prevents the call, while a crash after the call does not prevent it', async () => {
  for (const when of ['before', 'after'] as const) {
    const crashes: string[] = []
    const crash = (point: string): never => {
      crashes.push(point)
      throw new Error('crash')
    }
    const fragile = withCrashPoint(inner, { operation: 'saveJobs', when, count: 2 }, crash)
    const pause = (reason: string) =>
      fragile.saveJobs({ now: 600, changes: [{ kind: 'pause', id: job, paused: { at: 600, reason, actor: null } }] })
    await fragile.saveJobs({ now: 600, changes: [{ kind: 'pause', id: job, paused: null }] })
    await expect(pause(when)).rejects.toThrow('crash')
    expect(crashes).toEqual([`${when} saveJobs 2`])
    const { jobs } = await fragile.get({ jobs: [job] })
    expect(jobs[0]?.paused?.reason).toBe(when === 'after' ? 'after' : undefined)
  }
})
