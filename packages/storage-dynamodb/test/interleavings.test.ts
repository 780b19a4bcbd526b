import { randomBytes } from 'node:crypto'
import {
  type DynamoDBClient,
  QueryCommand,
  type QueryCommandOutput,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb'
import { type JobId, occurrenceId } from '@jobistemer/core'
import type { OccurrenceRecord, RecoveryEntry, SettleItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import { beforeEach, describe, expect, it } from 'vitest'
import { sizeOf } from '../src/attributes.ts'
import { dynamodbStorage } from '../src/index.ts'
import {
  addJob,
  contentOf,
  finishItem,
  minute,
  owner,
  slotAt,
  slotItem,
  start,
  triggerItem,
} from '@jobistemer/test-kit'
import { laggingIndex } from './lagging-index.ts'
import { useTable } from './use-table.ts'
import { isThorough } from '../../workspace/test-effort.ts'

const tableName = 'interleavings'
const other = { node: 'node-b', incarnation: '5d1c77aa-node-b' } as const

let client: DynamoDBClient
let storage: Storage
let prefix: string
let tests = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(() => {
  prefix = `test-${++tests}`
  storage = dynamodbStorage({ client, tableName, prefix })
})

type Send = (command: object, options: object) => Promise<unknown>

/**
 * Returns the storage of another node. Before one of its requests, this storage calls `happens`. `moment` is the number of this
 * request, or a pattern of its text.
 */
function interrupted(
  moment: number | string | RegExp,
  happens: () => Promise<unknown>,
): Storage & { readonly met: boolean } {
  let met = false
  let requests = 0
  const isMoment = (request: string) =>
    typeof moment === 'number' ? requests === moment : new RegExp(moment).test(request)
  const send = async (command: { readonly input: object }, options: object): Promise<unknown> => {
    requests++
    if (!met && isMoment(`${command.constructor.name} ${JSON.stringify(command.input)}`)) {
      met = true
      await happens()
    }
    return await (client.send as Send)(command, options)
  }
  const node = dynamodbStorage({ client: { send: send as unknown as DynamoDBClient['send'] }, tableName, prefix })
  return Object.defineProperty(node, 'met', { get: () => met }) as Storage & { readonly met: boolean }
}

/** Matches the transaction that writes a head together with a plan. */
const planned = /^TransactWriteItemsCommand .*"sk":\{"S":"plan\/0000"\},"lp"/

async function addWaiting(job: JobId, count: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, index): RecoveryEntry => {
    const scheduledAt = slotAt(index + 1)
    const executionTimeoutMs = 10 * minute
    return { kind: 'run', id: occurrenceId(job, scheduledAt), scheduledAt, executionTimeoutMs, details: {} }
  })
  const last = slotAt(count)
  const item = { kind: 'recovery', id: occurrenceId(job, last), jobId: job, scheduledAt: last, jobVersion: 1 } as const
  const course = { expectedWatermark: start, watermark: last, nextAt: last + minute }
  await storage.createOccurrences({ now: last, owner, items: [{ ...item, ...course, entries }] })
}

/** Returns a storage whose transactions have the limits of DynamoDB. DynamoDB Local accepts larger transactions. */
function strict(): Storage {
  const send = async (command: object, options: object): Promise<unknown> => {
    if (command instanceof TransactWriteItemsCommand) {
      const items = command.input.TransactItems ?? []
      expect(items.reduce((sum, { Put: put }) => sum + sizeOf(put?.Item ?? {}), 0)).toBeLessThan(4_000_000)
    }
    return await (client.send as Send)(command, options)
  }
  // DynamoDB ends a page of an index query after 1 MB of projected keys. DynamoDB Local counts the whole items, so its pages
  // contain too few keys. So `laggingIndex` scans the index, and answers the index queries itself.
  const whole = laggingIndex({ send: send as unknown as DynamoDBClient['send'] }, 1)
  return dynamodbStorage({ client: whole, tableName, prefix })
}

async function claim(limit: number, node: Storage = storage): Promise<readonly OccurrenceRecord[]> {
  const request = { now: slotAt(150), owner: other, limit, exceptHandlerKeys: [], sweep: false }
  return (await node.claim(request)).claimed
}

function released({ id, jobId, scheduledAt, token }: OccurrenceRecord): SettleItem {
  const change = { kind: 'release', dueAt: slotAt(150), reason: null } as const
  return { id, jobId, scheduledAt, token, sequence: 1, runs: [], change }
}

async function recordOf(id: `occ_${string}`): Promise<OccurrenceRecord | null | undefined> {
  return (await storage.get({ occurrences: [id] })).occurrences[0]
}

describe('a DynamoDB step of more than 100 records', () => {
  it('that updates a job does not cancel occurrences that another node claims meanwhile', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    await addWaiting(id, 120)
    let running: readonly OccurrenceRecord[] = []
    const node = interrupted(planned, async () => {
      running = await claim(5)
    })
    const content = { ...contentOf('alpha', 'skip'), fingerprint: 'print-2', nextAt: slotAt(121) }
    const change = { kind: 'replace', id, content, expectedVersion: 1, expectedWatermark: slotAt(120) } as const
    const [answer] = await node.saveJobs({ now: slotAt(121), changes: [{ ...change, waiting: 'cancel' }] })
    expect([node.met, running.length, answer?.outcome]).toEqual([true, 5, 'saved'])
    // The update cancels the 115 waiting occurrences. It does not cancel the running ones, so its answer does not name them.
    expect(answer?.outcome === 'saved' && answer.canceled.length).toBe(115)
    for (const { id: one } of running) expect((await recordOf(one))?.state).toBe('running')
    const items = [{ ...slotItem(id, 121), jobVersion: 2 }]
    expect(await storage.createOccurrences({ now: slotAt(121), owner, items })).toMatchObject([
      { outcome: 'created', state: 'skipped', reason: 'overlap' },
    ])
    const finishes = running.map(({ id: one, jobId, scheduledAt, token }): SettleItem => {
      const change = { kind: 'finish', state: 'completed', reason: null } as const
      return { id: one, jobId, scheduledAt, token, sequence: 1, runs: [], change }
    })
    await storage.settle({ now: slotAt(121), items: finishes })
    await assertLedger(storage)
  })

  it('that deletes a job leaves no waiting occurrence, even if another node claims and releases some of them meanwhile', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    await addWaiting(id, 120)
    const [early] = await claim(1)
    let between: readonly OccurrenceRecord[] = []
    const node = interrupted(planned, async () => {
      between = await claim(2)
      const items = [early, between[1]].map((record) => released(record as OccurrenceRecord))
      expect(await storage.settle({ now: slotAt(150), items })).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }])
    })
    const changes = [{ kind: 'delete', id, expectedVersion: null }] as const
    expect(await node.saveJobs({ now: slotAt(151), changes })).toMatchObject([{ outcome: 'saved' }])
    expect(node.met).toBe(true)
    const [late, handedBack] = between as [OccurrenceRecord, OccurrenceRecord]
    expect(await recordOf(late.id)).toMatchObject({ state: 'running' })
    for (const one of [early, handedBack] as OccurrenceRecord[]) {
      expect(await recordOf(one.id)).toMatchObject({ state: 'canceled', reason: 'deleted' })
    }
    await storage.settle({ now: slotAt(152), items: [released(late)] })
    expect(await recordOf(late.id)).toMatchObject({ state: 'canceled', reason: 'deleted' })
    expect(await claim(10)).toEqual([])
  })
})

/** Returns text that compresses to no less than three quarters of its size. */
function noise(bytes: number): string {
  return randomBytes(bytes).toString('base64')
}

function runsWith(tasks: number): readonly TaskRunRecord[] {
  const attempts = [{ number: 1, state: 'succeeded', startedAt: slotAt(1), endedAt: slotAt(1) }] as const
  const state = 'completed' as const
  return Array.from({ length: tasks }, (_, index) => ({ task: `t-${index}`, state, attempts, result: noise(80_000) }))
}

/** Returns the results that a replay copies from its original, for tasks that do not run again. */
function resultsOf(tasks: number) {
  return Object.fromEntries(Array.from({ length: tasks }, (_, index) => [`before-${index}`, noise(80_000)]))
}

describe('large records in DynamoDB', () => {
  it('are stored even if the results and the data of an occurrence do not fit into one item', async () => {
    const { id } = await addJob(storage, 'alpha')
    const details = { results: resultsOf(3) }
    const item = { ...slotItem(id, 1), details }
    await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
    const finish = { ...finishItem(id, 1), runs: runsWith(3) }
    expect(await storage.settle({ now: slotAt(1), items: [finish] })).toMatchObject([{ outcome: 'ok' }])
    expect(await recordOf(item.id)).toMatchObject({ state: 'completed', details, runs: finish.runs })
  })

  it('do not make a claim smaller: one call claims 10 large occurrences', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    const details = { results: resultsOf(2) }
    // With four results of 107 KB each, the occurrences together exceed the 4 MB of one transaction.
    const items = Array.from({ length: 10 }, (_, key) => ({ ...triggerItem(id, key), details, runs: [] }))
    await storage.createOccurrences({ now: slotAt(1), owner, items })
    const releases = items.map((item): SettleItem => {
      const change = { kind: 'release', dueAt: slotAt(1), reason: 'shutdown' } as const
      const address = { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
      return { ...address, token: 1, sequence: 1, runs: runsWith(2), change }
    })
    await storage.settle({ now: slotAt(1), items: releases })
    const claimed = await claim(10, strict())
    expect(new Set(claimed.map((record) => record.id))).toEqual(new Set(items.map((item) => item.id)))
    for (const record of claimed) {
      const release = releases.find((one) => one.id === record.id)
      expect(record).toMatchObject({ token: 2, details, runs: release?.runs })
    }
  })

  it('may belong to a replay that has more data than one item can hold, and that displaces hundreds of occurrences', async () => {
    const { id } = await addJob(storage, 'alpha', 'queue')
    await addWaiting(id, 120)
    const content = { ...contentOf('alpha', 'queue_one'), fingerprint: 'print-2', nextAt: slotAt(121) }
    const change = { kind: 'replace', id, content, expectedVersion: 1, expectedWatermark: slotAt(120) } as const
    await storage.saveJobs({ now: slotAt(121), changes: [{ ...change, waiting: 'keep' }] })
    const details = { results: resultsOf(6) }
    const replay = { ...triggerItem(id, 1, slotAt(121)), kind: 'replay', jobVersion: 2, details } as const
    const [answer] = await storage.createOccurrences({ now: slotAt(121), owner, items: [replay] })
    expect(answer).toMatchObject({ outcome: 'created', state: 'pending' })
    expect(answer?.outcome === 'created' && answer.displaced.length).toBe(120)
    expect((await recordOf(replay.id))?.details).toEqual(details)
  })
})

const oldHistory = { now: slotAt(9), jobId: null, before: slotAt(9), keep: 0, limit: 9 }

describe('a claim on DynamoDB', () => {
  const at = { now: slotAt(150), owner: other, exceptHandlerKeys: [], sweep: false } as const

  async function addTriggers(job: JobId, count: number): Promise<void> {
    const items = Array.from({ length: count }, (_, key) => triggerItem(job, key))
    await storage.createOccurrences({ now: slotAt(1), owner, items })
  }

  it.each(isThorough ? [1, 10] : [1])(
    'with the limit %i finds occurrences although hundreds of older occurrences have handlers that this node lacks',
    {
      timeout: 60_000,
    },
    async (limit) => {
      const paused = await addJob(storage, 'paused', 'allow')
      const foreign = await addJob(storage, 'foreign', 'allow')
      const free = await addJob(storage, 'free', 'allow')
      for (const { id } of [paused, foreign]) await addTriggers(id, 130)
      // In both index partitions, these triggers come after all other occurrences in the order of waiting occurrences.
      const last = Array.from({ length: 4 }, (_, key) => triggerItem(free.id, key, slotAt(2)))
      await storage.createOccurrences({ now: slotAt(2), owner, items: last })
      const pause = { at: slotAt(2), reason: null, actor: null }
      await storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'pause', id: paused.id, paused: pause }] })
      const exceptHandlerKeys = ['foreign']
      const found = new Set<string>()
      for (let call = 0; found.size < last.length; call++) {
        expect(call).toBeLessThan(last.length)
        const { claimed } = await storage.claim({ ...at, limit, exceptHandlerKeys })
        expect(claimed.length).toBeGreaterThan(0)
        for (const { id } of claimed) found.add(id)
      }
      expect(found).toEqual(new Set(last.map(({ id }) => id)))
      expect(await storage.claim({ ...at, limit, exceptHandlerKeys })).toMatchObject({ claimed: [], more: false })
    },
  )

  it.each([
    ['paused', { kind: 'pause', paused: { at: slotAt(2), reason: null, actor: null } }],
    [
      'given to other nodes',
      {
        kind: 'replace',
        content: { ...contentOf('alpha', 'allow'), fingerprint: 'print-2', handlerKey: 'foreign' },
        expectedVersion: 1,
        expectedWatermark: start,
        waiting: 'keep',
      },
    ],
    [
      'made to run one at a time',
      {
        kind: 'replace',
        content: { ...contentOf('alpha', 'queue'), fingerprint: 'print-2' },
        expectedVersion: 1,
        expectedWatermark: start,
        waiting: 'keep',
      },
    ],
  ] as const)('starts no run by the old settings of the job if the job is concurrently %s', async (_, change) => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    await addTriggers(id, 3)
    const node = interrupted('TransactWriteItemsCommand', async () => {
      expect(await storage.saveJobs({ now: slotAt(2), changes: [{ ...change, id }] })).toMatchObject([
        { outcome: 'saved' },
      ])
    })
    const { claimed } = await node.claim({ ...at, limit: 3, exceptHandlerKeys: ['foreign'] })
    expect(node.met).toBe(true)
    expect(claimed).toHaveLength(change.kind === 'replace' && change.content.overlap.policy === 'queue' ? 1 : 0)
    await assertLedger(storage)
  })
})

it('a claim of overlapping occurrences starts no occurrence that a concurrent update cancels', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  await addWaiting(id, 5)
  const content = { ...contentOf('alpha', 'allow'), fingerprint: 'print-2', nextAt: slotAt(6) }
  const change = { kind: 'replace', id, content, expectedVersion: 1, expectedWatermark: slotAt(5) } as const
  let met = false
  const send = async (command: object, options: object): Promise<unknown> => {
    if (command instanceof TransactWriteItemsCommand && !met) {
      met = true
      const changes = [{ ...change, waiting: 'cancel' }] as const
      // With `cancelLimit: 1`, the update cancels only the occurrence of the first slot.
      const [answer] = await storage.saveJobs({ now: slotAt(6), cancelLimit: 1, changes })
      expect(answer).toMatchObject({ outcome: 'saved', more: true, job: { cancelsBelow: 2 } })
    }
    const answer = (await (client.send as Send)(command, options)) as QueryCommandOutput
    if (!(command instanceof QueryCommand) || command.input.IndexName === undefined) return answer
    // Removes the first occurrence from the answer. An index that lags behind the table gives such an answer.
    return { ...answer, Items: answer.Items?.filter(({ lo }) => lo?.N !== String(slotAt(1))) }
  }
  const node = dynamodbStorage({ client: { send: send as unknown as DynamoDBClient['send'] }, tableName, prefix })
  expect([await claim(3, node), met]).toEqual([[], true])
  const ids = Array.from({ length: 5 }, (_, index) => occurrenceId(id, slotAt(index + 1)))
  for (const one of ids) expect((await recordOf(one))?.state).toBe('canceled')
})

it('a claim of pending runs starts no run of a job that another node deletes meanwhile', async () => {
  const { id } = await addJob(storage, 'allowed', 'allow')
  // The delete cancels one run: the delayed one, which the claim does not read.
  const delayed = { ...triggerItem(id, 0), dueAt: slotAt(500) }
  const items = [delayed, ...[1, 2, 3].map((key) => triggerItem(id, key, slotAt(2)))]
  await storage.createOccurrences({ now: slotAt(2), owner, items })
  const claiming = interrupted('TransactWriteItemsCommand', async () => {
    const change = { kind: 'delete', id, expectedVersion: null } as const
    const deleted = await storage.saveJobs({ now: slotAt(3), cancelLimit: 1, changes: [change] })
    expect(deleted).toMatchObject([{ outcome: 'saved', more: true }])
  })
  const claim = { now: slotAt(4), owner: other, limit: 60, exceptHandlerKeys: [], sweep: false }
  expect((await claiming.claim(claim)).claimed).toEqual([])
  expect(claiming.met).toBe(true)
  for (const item of items) expect(await recordOf(item.id)).toMatchObject({ state: 'canceled', reason: 'deleted' })
})

describe('a prune on DynamoDB', () => {
  async function addLarge(): Promise<{ readonly job: JobId; readonly id: `occ_${string}` }> {
    const { id: job } = await addJob(storage, 'alpha')
    const item = slotItem(job, 1)
    await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
    await storage.settle({ now: slotAt(1), items: [{ ...finishItem(job, 1), runs: runsWith(5) }] })
    return { job, id: item.id }
  }

  const history = { kind: 'job', order: 'ascending', limit: 10, cursor: null, runs: true } as const

  it('removes a large record during a read of the record, and the read returns null', { timeout: 30_000 }, async () => {
    const { job, id } = await addLarge()
    const lister = interrupted('"part/', async () => await storage.prune(oldHistory))
    expect(await lister.listOccurrences({ ...history, jobId: job })).toEqual({ items: [], cursor: null })
    expect(await lister.get({ occurrences: [id] })).toMatchObject({ occurrences: [null] })
    expect(lister.met).toBe(true)
  })

  it('whose process dies after the removal of a part of a large record blocks no later read', {
    timeout: 30_000,
  }, async () => {
    const { job, id } = await addLarge()
    const dying = interrupted(/^BatchWriteItemCommand .*"part\//, async () => {
      const { BatchWriteItemCommand, QueryCommand } = await import('@aws-sdk/client-dynamodb')
      const values = { ':pk': { S: `${prefix}:occurrence/${id.slice(4)}` }, ':part': { S: 'part/' } }
      const KeyConditionExpression = 'pk = :pk AND begins_with(sk, :part)'
      const query = { TableName: tableName, KeyConditionExpression, ExpressionAttributeValues: values }
      const { Items: parts = [] } = await client.send(new QueryCommand({ ...query, ProjectionExpression: 'pk, sk' }))
      expect(parts.length).toBeGreaterThan(0)
      const [first] = parts
      const requests = { [tableName]: [{ DeleteRequest: { Key: first } }] }
      await client.send(new BatchWriteItemCommand({ RequestItems: requests }))
      throw new Error('the process is dead')
    })
    await expect(dying.prune(oldHistory)).rejects.toThrow('the process is dead')
    expect(await storage.listOccurrences({ ...history, jobId: job })).toEqual({ items: [], cursor: null })
    expect(await storage.prune(oldHistory)).toEqual({ removed: 1, more: false })
  })

  it('of a tombstone keeps the job if another node creates the job again at any moment of the prune', {
    timeout: 60_000,
  }, async () => {
    for (let before = 1; before < 20; before++) {
      prefix = `tombstone-${before}`
      storage = dynamodbStorage({ client, tableName, prefix })
      const { id } = await addJob(storage, 'alpha')
      await storage.saveJobs({ now: slotAt(1), changes: [{ kind: 'delete', id, expectedVersion: null }] })
      const create = { kind: 'create', id, content: { ...contentOf('alpha'), nextAt: slotAt(11) } } as const
      const pruner = interrupted(before, async () => {
        await storage.saveJobs({ now: slotAt(10), changes: [create] })
      })
      await pruner.prune(oldHistory)
      await storage.saveJobs({ now: slotAt(10), changes: [create] })
      expect((await storage.get({ jobs: [id] })).jobs[0]).toMatchObject({ name: 'alpha', deletedAt: null })
      expect((await storage.listJobs({ limit: 5, cursor: null })).items).toHaveLength(1)
      if (!pruner.met) return
    }
    expect.unreachable('the prune has more requests than that')
  })

  it('continues after a crash, and keeps the run of a later request that used the same key again after the crash', async () => {
    const { id: job } = await addJob(storage, 'alpha')
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job, 1)] })
    await storage.settle({ now: slotAt(1), items: [finishItem(job, 1)] })
    const trigger = (at: number) => ({ ...triggerItem(job, 1, at), runs: [] })
    const finish = (at: number): SettleItem => ({ ...finishItem(job, 1), id: trigger(at).id, scheduledAt: at })
    const early = start - minute / 2
    await storage.createOccurrences({ now: slotAt(1), owner, items: [trigger(early)] })
    await storage.settle({ now: slotAt(1), items: [finish(early)] })
    const old = { now: slotAt(9), jobId: job, before: slotAt(0), keep: 0, limit: 9 }
    // The interrupted prune has removed the occurrence's address, but not its record.
    const dying = interrupted('BatchWriteItemCommand .*history/', async () => {
      throw new Error('the process is dead')
    })
    await expect(dying.prune(old)).rejects.toThrow('the process is dead')
    const again = trigger(slotAt(5))
    expect(await storage.createOccurrences({ now: slotAt(5), owner, items: [again] })).toMatchObject([
      { outcome: 'created' },
    ])
    expect(await storage.prune(old)).toEqual({ removed: 1, more: false })
    expect(await recordOf(again.id)).toMatchObject({ scheduledAt: slotAt(5), state: 'running' })
  })

  it('of old versions does not hide a job whose version changes while the job is read', async () => {
    const { id } = await addJob(storage, 'alpha')
    const content = { ...contentOf('alpha'), fingerprint: 'print-2' }
    const change = { kind: 'replace', id, content, expectedVersion: 1, expectedWatermark: start } as const
    const reader = interrupted('version/0000000001', async () => {
      await storage.saveJobs({ now: slotAt(0), changes: [{ ...change, waiting: 'keep' }] })
      await storage.prune(oldHistory)
    })
    expect((await reader.get({ jobs: [id] })).jobs[0]).toMatchObject({ version: 2, fingerprint: 'print-2' })
    expect(reader.met).toBe(true)
  })
})

it('if a trigger is repeated with another scheduled time, the owner of its run can settle the run under this time', {
  timeout: 30_000,
}, async () => {
  const { id } = await addJob(storage, 'alpha')
  const item = { ...triggerItem(id, 1), runs: runsWith(1) }
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  const [repeated] = await storage.createOccurrences({
    now: slotAt(2),
    owner,
    items: [{ ...item, scheduledAt: slotAt(2), dueAt: slotAt(2) }],
  })
  expect(repeated).toMatchObject({ outcome: 'exists', state: 'running', token: 1, owner })
  const address = { id: item.id, jobId: id, scheduledAt: slotAt(2) }
  const progress = { ...address, token: 1, sequence: 1, runs: [], change: { kind: 'progress' } } as const
  expect(await storage.settle({ now: slotAt(2), items: [progress] })).toMatchObject([{ outcome: 'ok' }])
})
