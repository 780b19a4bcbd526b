import { jobId, occurrenceId } from '@jobistemer/core'
import type { CreateSlot, SettleItem, Storage } from '@jobistemer/core/storage'
import { memoryStorage } from '@jobistemer/storage-memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { forgetWake, ignoreToken, splitOverlap } from '../src/index.ts'

const job = jobId('job')
const owner = { node: 'node', incarnation: 'life' }
const slotAt = (index: number) => index * 1_000

function slot(index: number): CreateSlot {
  return {
    kind: 'slot',
    id: occurrenceId(job, slotAt(index)),
    jobId: job,
    scheduledAt: slotAt(index),
    jobVersion: 1,
    nextAt: slotAt(index + 1),
    executionTimeoutMs: 60_000,
    details: {},
    runs: [],
  }
}

function ending({ id, jobId: ofJob, scheduledAt }: CreateSlot, token: number): SettleItem {
  const change = { kind: 'finish', state: 'completed', reason: null } as const
  return { id, jobId: ofJob, scheduledAt, token, sequence: 1, runs: [], change }
}

/** Stores the job through an intact or a broken storage. */
async function define(storage: Storage): Promise<void> {
  const content = {
    name: 'job',
    owner: null,
    fingerprint: 'print',
    definition: {},
    handlerKey: 'job',
    overlap: { policy: 'queue', maxQueued: 9 },
    timeline: [{ after: null, until: null, schedule: { type: 'every' } }],
    nextAt: slotAt(1),
  } as const
  await storage.saveJobs({ now: 0, changes: [{ kind: 'create', id: job, content }] })
}

async function create(storage: Storage, ...indexes: number[]): Promise<readonly string[]> {
  const states: string[] = []
  for (const index of indexes) {
    const [answer] = await storage.createOccurrences({ now: slotAt(index), owner, items: [slot(index)] })
    states.push(answer?.outcome === 'created' ? answer.state : String(answer?.outcome))
  }
  return states
}

const claim = { now: slotAt(9), owner, limit: 9, exceptHandlerKeys: [], sweep: true }

describe('a storage that the test kit breaks', () => {
  let storage: Storage
  beforeEach(() => {
    storage = memoryStorage()
  })

  it('with forgetWake never wakes a queued occurrence, so no claim returns it', async () => {
    const broken = forgetWake(storage)
    await define(broken)
    expect(await create(broken, 1, 2)).toEqual(['running', 'queued'])
    const answers = await broken.settle({ now: slotAt(3), items: [ending(slot(1), 1)] })
    expect(answers).toEqual([{ outcome: 'ok', woken: null, cancelRequested: null }])
    expect((await broken.claim(claim)).claimed).toEqual([])
  })

  it('with ignoreToken accepts a settle by an earlier owner until the occurrence has ended', async () => {
    const broken = ignoreToken(storage)
    await define(broken)
    await create(broken, 1)
    expect(await broken.settle({ now: slotAt(2), items: [ending(slot(1), 7)] })).toMatchObject([{ outcome: 'ok' }])
    expect((await storage.get({ occurrences: [slot(1).id] })).occurrences[0]?.state).toBe('completed')
    expect(await broken.settle({ now: slotAt(2), items: [ending(slot(1), 7)] })).toMatchObject([{ outcome: 'lost' }])
  })

  it('with splitOverlap starts two occurrences that are created at the same time', async () => {
    const broken = splitOverlap(storage)
    await define(broken)
    const trigger = (key: string) => {
      const { kind: _, nextAt: __, ...item } = slot(1)
      const requested = { ...item, kind: 'trigger', id: occurrenceId(jobId(key), slotAt(1)), dueAt: slotAt(1) } as const
      return broken.createOccurrences({ now: slotAt(1), owner, items: [requested] })
    }
    const answers = (await Promise.all([trigger('a'), trigger('b')])).flat()
    expect(answers).toMatchObject([{ state: 'running' }, { state: 'running' }])
    // The broken storage violates the overlap policy only if two calls overlap. This call begins after the answer to
    // the previous call, so the occurrence does not start.
    expect(await create(broken, 1)).toEqual(['pending'])
  })
})
