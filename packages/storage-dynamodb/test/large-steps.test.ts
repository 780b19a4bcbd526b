import { type DynamoDBClient, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb'
import type { JobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import {
  addJob,
  contentOf,
  finishItem,
  owner,
  slotAt,
  slotItem,
  start,
  succeeded,
  triggerItem,
} from '@jobistemer/test-kit'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { dynamodbStorage as DynamodbStorage } from '../src/index.ts'
import { isThorough } from '../../workspace/test-effort.ts'
import { historyOf, largeRuns, recoveryOf } from './large-content.ts'
import { useTable } from './use-table.ts'

// A step with more writes than one transaction permits takes several transactions. DynamoDB permits 100 writes. In `npm test`,
// this file sets the limit to 15, so that fewer records make a large step. The files large-records, interleavings and the
// conformance kit test large steps with DynamoDB's own limit.
const transactionLimit = isThorough ? 100 : 15
/** Number of records in one transaction of a large step. A record takes up to three writes. */
const recordsPerTransaction = Math.floor((transactionLimit - 1) / 3)
/** Number of slots or triggers of a large step. */
const many = isThorough ? 120 : 16

let dynamodbStorage: typeof DynamodbStorage

// The mocked module applies to this file only.
beforeAll(async () => {
  vi.resetModules()
  vi.doMock('../src/requests.ts', async (original) => ({ ...(await original<object>()), transactionLimit }))
  dynamodbStorage = (await import('../src/index.ts')).dynamodbStorage
})
afterAll(() => {
  vi.doUnmock('../src/requests.ts')
  vi.resetModules()
})

const tableName = 'large-steps'
let client: DynamoDBClient
let storage: Storage
let prefix: string
let tests = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(() => {
  prefix = `test-${tests++}`
  storage = dynamodbStorage({ client, tableName, prefix })
})

async function recordOf(id: `occ_${string}`) {
  return (await storage.get({ occurrences: [id] })).occurrences[0]
}

it(`if an update lets ${many} queued occurrences overlap, all of these occurrences are woken`, async () => {
  const { id } = await addJob(storage, 'hundreds', 'queue')
  await storage.createOccurrences({ now: slotAt(many), owner, items: [recoveryOf(id, many)] })
  const change = {
    kind: 'replace',
    id,
    content: { ...contentOf('hundreds', 'allow'), fingerprint: 'print-2', nextAt: slotAt(many + 1) },
    expectedVersion: 1,
    expectedWatermark: slotAt(many),
    waiting: 'keep',
  } as const
  expect(await storage.saveJobs({ now: slotAt(many + 1), changes: [change] })).toMatchObject([{ outcome: 'saved' }])
  expect(new Set((await historyOf(storage, id)).map(({ state }) => state))).toEqual(new Set(['pending']))
  const { claimed, more } = await storage.claim({
    now: slotAt(many + 1),
    owner,
    limit: many - 10,
    exceptHandlerKeys: [],
    sweep: false,
  })
  expect([claimed.length, more]).toEqual([many - 10, true])
})

/**
 * Adds a job whose slot 1 runs, with 12 slots and {@link many} triggers queued behind this slot. Then an update to the overlap
 * policy `allow` cancels at most ten of the queued slots. The next step cancels the other slots and wakes all triggers, in
 * several transactions.
 */
async function addCutOff(name: string): Promise<JobId> {
  const { id } = await addJob(storage, name, 'queue')
  const slots = Array.from({ length: 13 }, (_, index) => slotItem(id, index + 1))
  await storage.createOccurrences({ now: slotAt(13), owner, items: slots })
  const triggers = Array.from({ length: many }, (_, key) => triggerItem(id, key, slotAt(2)))
  await storage.createOccurrences({ now: slotAt(13), owner, items: triggers })
  const change = {
    kind: 'replace',
    id,
    content: { ...contentOf(name, 'allow'), fingerprint: 'print-2', nextAt: slotAt(14) },
    expectedVersion: 1,
    expectedWatermark: slotAt(13),
    waiting: 'cancel',
  } as const
  expect(await storage.saveJobs({ now: slotAt(14), changes: [change], cancelLimit: 10 })).toMatchObject([
    { outcome: 'saved', more: true },
  ])
  return id
}

/**
 * Returns a client that runs `first` before each transaction that stores the plan of a large step. `plans` counts these
 * transactions.
 */
function latePlans(first: () => Promise<unknown>): Pick<DynamoDBClient, 'send'> & { readonly plans: number } {
  let plans = 0
  const send = async (command: object, options: object): Promise<unknown> => {
    const isPlan =
      command instanceof TransactWriteItemsCommand &&
      command.input.TransactItems?.some(({ Put: put }) => put?.Item?.sk?.S?.startsWith('plan/'))
    if (isPlan) {
      plans++
      await first()
    }
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  return {
    send: send as DynamoDBClient['send'],
    get plans() {
      return plans
    },
  }
}

describe(`the task runs of an occurrence whose end wakes ${many} other occurrences`, () => {
  it('are stored as the owner sent them with the end', async () => {
    const id = await addCutOff('finish')
    const late = latePlans(async () => {})
    storage = dynamodbStorage({ client: late, tableName, prefix })
    const last = finishItem(id, 1)
    expect(await storage.settle({ now: slotAt(14), items: [last] })).toMatchObject([{ outcome: 'ok' }])
    expect(late.plans).toBe(1)
    expect(await recordOf(last.id)).toMatchObject({ state: 'completed', sequence: 1, runs: last.runs })
    expect((await storage.get({ counts: [id] })).counts).toEqual([{ pending: many, queued: 0, running: 0 }])
    await assertLedger(storage)
  })

  it('are stored as the owner sent them with the end, although an earlier settle arrives while this end is stored', async () => {
    const plain = storage
    const id = await addCutOff('overtaken')
    const last = { ...finishItem(id, 1), sequence: 2 }
    const late = latePlans(async () => {
      const progress = {
        ...last,
        sequence: 1,
        runs: succeeded(start, start + 1),
        change: { kind: 'progress' } as const,
      }
      expect(await plain.settle({ now: slotAt(14), items: [progress] })).toMatchObject([{ outcome: 'ok' }])
    })
    storage = dynamodbStorage({ client: late, tableName, prefix })
    expect(await storage.settle({ now: slotAt(14), items: [last] })).toMatchObject([{ outcome: 'ok' }])
    expect(late.plans).toBe(1)
    expect(await recordOf(last.id)).toMatchObject({ state: 'completed', sequence: 2, runs: last.runs })
    await assertLedger(plain)
  })

  it('are stored as the owner sent them in its last settle, if this settle arrives while a reap ends the occurrence', async () => {
    const plain = storage
    const id = await addCutOff('alive')
    const { id: occurrence, jobId, scheduledAt, runs } = finishItem(id, 1)
    const progress = { ...finishItem(id, 1), runs: succeeded(start, start + 1), change: { kind: 'progress' } as const }
    const late = latePlans(async () => {
      expect(await plain.settle({ now: slotAt(14), items: [progress] })).toMatchObject([{ outcome: 'ok' }])
    })
    storage = dynamodbStorage({ client: late, tableName, prefix })
    const address = { id: occurrence, jobId, scheduledAt }
    const reap = { ...address, token: 1, sequence: 0, runs, action: 'fail', reason: 'dead' } as const
    expect(await storage.reap({ now: slotAt(14), items: [reap] })).toMatchObject([{ outcome: 'reaped' }])
    expect(late.plans).toBe(1)
    expect(await recordOf(occurrence)).toMatchObject({ state: 'failed_stale', sequence: 1, runs: progress.runs })
    await assertLedger(plain)
  })

  it('are stored as the owner sent them with the end, even if they are too large for one DynamoDB item', async () => {
    const id = await addCutOff('large-finish')
    const last = { ...finishItem(id, 1), runs: largeRuns(4) }
    expect(await storage.settle({ now: slotAt(14), items: [last] })).toMatchObject([{ outcome: 'ok' }])
    expect((await recordOf(last.id))?.runs).toEqual(last.runs)
  })

  it('are stored as the reaper sent them, if a reap ends the occurrence', async () => {
    const id = await addCutOff('reap')
    const { id: occurrence, jobId, scheduledAt, runs } = finishItem(id, 1)
    const reap = {
      id: occurrence,
      jobId,
      scheduledAt,
      token: 1,
      sequence: 0,
      runs,
      action: 'fail',
      reason: 'dead',
    } as const
    expect(await storage.reap({ now: slotAt(14), items: [reap] })).toMatchObject([{ outcome: 'reaped' }])
    expect(await recordOf(occurrence)).toMatchObject({ state: 'failed_stale', runs })
    expect((await storage.get({ counts: [id] })).counts).toEqual([{ pending: many, queued: 0, running: 0 }])
    await assertLedger(storage)
  })
})

it(`the newest occurrence under queue_one replaces ${many - 1} other occurrences, and starts after the running occurrence`, async () => {
  const { id } = await addJob(storage, 'newest', 'queue')
  await storage.createOccurrences({ now: slotAt(many), owner, items: [recoveryOf(id, many)] })
  await storage.claim({ now: slotAt(many), owner, limit: 1, exceptHandlerKeys: [], sweep: false })
  const content = { ...contentOf('newest', 'queue_one'), fingerprint: 'print-2', nextAt: slotAt(many + 1) }
  await storage.saveJobs({
    now: slotAt(many),
    changes: [{ kind: 'replace', id, content, expectedVersion: 1, expectedWatermark: slotAt(many), waiting: 'keep' }],
  })
  const newest = { ...slotItem(id, many + 1), jobVersion: 2 }
  const [answer] = await storage.createOccurrences({ now: slotAt(many + 1), owner, items: [newest] })
  expect(answer).toMatchObject({ outcome: 'created', state: 'queued' })
  expect(answer?.outcome === 'created' && answer.displaced.length).toBe(many - 1)
  expect(await storage.settle({ now: slotAt(many + 2), items: [finishItem(id, 1)] })).toMatchObject([
    { outcome: 'ok', woken: { id: newest.id } },
  ])
  await assertLedger(storage)
})

/** Returns a client that fails from its transaction number `count` on, as if its process had died. */
function dyingClient(count: number): Pick<DynamoDBClient, 'send'> {
  let transactions = 0
  const send = async (command: object, options: object): Promise<unknown> => {
    if (command instanceof TransactWriteItemsCommand) transactions++
    if (transactions >= count) throw new Error('the process is dead')
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  return { send: send as DynamoDBClient['send'] }
}

// The creation of a recovery of `many` slots takes six transactions: one for the head and the plan (the list of its remaining
// writes), and four for the records. The last transaction removes the plan.
it.each(isThorough ? [2, 4, 6] : [4])(
  'a large step whose node dies at transaction %i is completed by other nodes',
  async (count) => {
    const { id } = await addJob(storage, 'thousand', 'queue')
    const dying = dynamodbStorage({ client: dyingClient(count), tableName, prefix })
    const request = { now: slotAt(many), owner, items: [recoveryOf(id, many)] }
    await expect(dying.createOccurrences(request)).rejects.toThrow('the process is dead')
    expect((await historyOf(storage, id)).length).toBe(Math.min(many, (count - 2) * recordsPerTransaction))
    // A claim with `sweep` completes the unfinished step, although no call names the job.
    const { claimed } = await storage.claim({ now: slotAt(many), owner, limit: 10, exceptHandlerKeys: [], sweep: true })
    expect(claimed.map(({ scheduledAt }) => scheduledAt)).toEqual([slotAt(1)])
    const states = (await historyOf(storage, id)).map(({ state }) => state)
    expect(states).toEqual(['running', ...Array.from({ length: many - 1 }, () => 'queued')])
    expect(await storage.createOccurrences(request)).toMatchObject([{ outcome: 'exists' }])
    await assertLedger(storage)
  },
)

it('a step that finds the unfinished plan of a dead node’s step completes that plan first', async () => {
  const { id } = await addJob(storage, 'thousand', 'queue')
  const dying = dynamodbStorage({ client: dyingClient(3), tableName, prefix })
  const request = { now: slotAt(many), owner, items: [recoveryOf(id, many)] }
  await expect(dying.createOccurrences(request)).rejects.toThrow('the process is dead')
  const answers = await storage.createOccurrences({ now: slotAt(many + 1), owner, items: [slotItem(id, many + 1)] })
  expect(answers).toMatchObject([{ outcome: 'created', state: 'queued' }])
  expect(await historyOf(storage, id)).toHaveLength(many + 1)
  await assertLedger(storage)
})
