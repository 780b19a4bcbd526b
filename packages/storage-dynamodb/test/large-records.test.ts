import { randomBytes } from 'node:crypto'
import {
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandOutput,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import type { JobId } from '@jobistemer/core'
import type { OccurrenceAddress, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import { beforeEach, describe, expect, it } from 'vitest'
import { dynamodbStorage } from '../src/index.ts'
import type { Item } from '../src/attributes.ts'
import { printLiveList, readHead } from '../src/job-item.ts'
import { type Key, keyItem, Keys } from '../src/keys.ts'
import { addJob, finishItem, owner, slotAt, slotItem, start, triggerItem } from '@jobistemer/test-kit'
import { historyOf, largeRuns, recoveryOf } from './large-content.ts'
import { losingClient } from './losing-client.ts'
import { useTable } from './use-table.ts'
import { isThorough } from '../../workspace/test-effort.ts'

let client: DynamoDBClient
let storage: Storage
let prefix: string
let tests = 0

useTable('large', (made) => {
  client = made
})

beforeEach(() => {
  open(`test-${tests++}`)
})

/** Opens the storage of a test. */
function open(name: string, sender: Pick<DynamoDBClient, 'send'> = client): void {
  prefix = name
  storage = dynamodbStorage({ client: sender, tableName: 'large', prefix })
}

async function recordOf(id: `occ_${string}`) {
  return (await storage.get({ occurrences: [id] })).occurrences[0]
}

it('task runs that exceed one DynamoDB item are read back unchanged, and are removed together with their record', async () => {
  const { id } = await addJob(storage, 'large')
  const item = slotItem(id, 1)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  for (const [sequence, tasks] of [
    [1, 4],
    [2, 7],
  ] as const) {
    const progress = { ...finishItem(id, 1), runs: largeRuns(tasks), sequence, change: { kind: 'progress' } as const }
    expect(await storage.settle({ now: slotAt(1), items: [progress] })).toMatchObject([{ outcome: 'ok' }])
    expect((await recordOf(item.id))?.runs).toEqual(progress.runs)
  }
  const last = { ...finishItem(id, 1), runs: largeRuns(8), sequence: 3 }
  expect(await storage.settle({ now: slotAt(1), items: [last] })).toMatchObject([{ outcome: 'ok' }])
  const history = { kind: 'job', jobId: id, order: 'ascending', limit: 10, cursor: null } as const
  expect((await storage.listOccurrences({ ...history, runs: true })).items[0]?.runs).toEqual(last.runs)
  expect((await storage.listOccurrences({ ...history, runs: false })).items[0]?.runs).toEqual([])
  expect(await storage.prune({ now: slotAt(9), jobId: null, before: slotAt(2), keep: 0, limit: 9 })).toEqual({
    removed: 1,
    more: false,
  })
  expect(await itemsOf(item.id)).toBe(0)
})

/**
 * Prunes all occurrences that ended before slot 2, and expects one removal. Returns how many items of the occurrence `id` the
 * table still contains.
 */
async function leftAfterPrune(id: `occ_${string}`): Promise<number> {
  const { removed } = await storage.prune({ now: slotAt(9), jobId: null, before: slotAt(2), keep: 0, limit: 9 })
  expect(removed).toBe(1)
  return await itemsOf(id)
}

it('all DynamoDB items of a large record are kept until its prune, even if the end of its occurrence wakes another occurrence', async () => {
  const { id } = await addJob(storage, 'queued-behind', 'queue')
  const item = slotItem(id, 1)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  await storage.createOccurrences({ now: slotAt(2), owner, items: [slotItem(id, 2)] })
  for (const [sequence, tasks] of [
    [1, 4],
    [2, 6],
  ] as const) {
    const progress = { ...finishItem(id, 1), runs: largeRuns(tasks), sequence, change: { kind: 'progress' } as const }
    expect(await storage.settle({ now: slotAt(1), items: [progress] })).toMatchObject([{ outcome: 'ok' }])
  }
  const last = { ...finishItem(id, 1), runs: largeRuns(8), sequence: 3 }
  expect(await storage.settle({ now: slotAt(1), items: [last] })).toMatchObject([{ woken: { id: slotItem(id, 2).id } }])
  expect((await recordOf(item.id))?.runs).toEqual(last.runs)
  // The table keeps one item for the occurrence's address, and three items for the parts. These parts contain the eight results
  // of 98 KB.
  expect(await itemsOf(item.id)).toBe(1 + 3)
  expect(await leftAfterPrune(item.id)).toBe(0)
})

it.each(isThorough ? [1, 2, 3] : [3])(
  'all further DynamoDB items of a large record are removed with the record although %i answers of DynamoDB were lost',
  async (losses) => {
    const losing = losingClient(client, UpdateItemCommand)
    open(`losing-${losses}`, losing)
    const { id } = await addJob(storage, `losing-${losses}`)
    const item = slotItem(id, 1)
    await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
    const progress = { ...finishItem(id, 1), runs: largeRuns(4), sequence: 1, change: { kind: 'progress' } as const }
    await storage.settle({ now: slotAt(1), items: [progress] })
    losing.losses = losses
    const last = { ...finishItem(id, 1), runs: largeRuns(8), sequence: 2 }
    expect(await storage.settle({ now: slotAt(1), items: [last] })).toMatchObject([{ outcome: 'ok' }])
    expect((await recordOf(item.id))?.runs).toEqual(last.runs)
    expect(await leftAfterPrune(item.id)).toBe(0)
  },
)

it('a settle by an earlier owner leaves no unused DynamoDB items, whether or not its occurrence still exists', async () => {
  const { id } = await addJob(storage, 'late')
  const item = slotItem(id, 1)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  await storage.settle({ now: slotAt(1), items: [finishItem(id, 1)] })
  const late = { ...finishItem(id, 1), runs: largeRuns(4), sequence: 9, change: { kind: 'progress' } as const }
  expect(await storage.settle({ now: slotAt(1), items: [late] })).toMatchObject([{ outcome: 'lost' }])
  expect(await leftAfterPrune(item.id)).toBe(0)
  expect(await storage.settle({ now: slotAt(1), items: [late] })).toMatchObject([{ outcome: 'lost', state: 'absent' }])
  expect(await itemsOf(item.id)).toBe(0)
})

it('unused DynamoDB items that an owner wrote just before its death are removed with the record of the occurrence', async () => {
  const { id } = await addJob(storage, 'dead')
  const item = slotItem(id, 1)
  let hasParts = false
  const send = async (command: object, options: object): Promise<unknown> => {
    if (command instanceof PutItemCommand && command.input.Item?.sk?.S?.startsWith('part/')) hasParts = true
    else if (hasParts) throw new Error('the process is dead')
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  const dying = dynamodbStorage({
    client: { send: send as DynamoDBClient['send'] },
    tableName: 'large',
    prefix,
  })
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  const progress = { ...finishItem(id, 1), runs: largeRuns(4), sequence: 1, change: { kind: 'progress' } as const }
  await expect(dying.settle({ now: slotAt(1), items: [progress] })).rejects.toThrow('the process is dead')
  expect(await itemsOf(item.id)).toBeGreaterThan(1)
  const address = { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
  const cancel = { ...address, reason: 'over', actor: null, mode: 'force' } as const
  expect(await storage.cancel({ now: slotAt(1), items: [cancel] })).toMatchObject([{ outcome: 'canceled' }])
  expect((await recordOf(item.id))?.runs).toEqual(item.runs)
  expect(await leftAfterPrune(item.id)).toBe(0)
})

it('task runs that a reap makes too large for one DynamoDB item are read back unchanged', async () => {
  const { id } = await addJob(storage, 'reaped')
  const item = slotItem(id, 1)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  const runs = largeRuns(4)
  const address = { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
  const reap = { ...address, token: 1, sequence: 0, runs, action: 'fail', reason: 'dead' } as const
  expect(await storage.reap({ now: slotAt(1), items: [reap] })).toMatchObject([{ outcome: 'reaped' }])
  expect((await recordOf(item.id))?.runs).toEqual(runs)
  expect(await leftAfterPrune(item.id)).toBe(0)
})

it('a node that dies during a reap leaves no unused DynamoDB items of a large record', async () => {
  const { id } = await addJob(storage, 'reaped-twice')
  const item = slotItem(id, 1)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  let hasParts = false
  const send = async (command: object, options: object): Promise<unknown> => {
    const isPart = command instanceof PutItemCommand && command.input.Item?.sk?.S?.startsWith('part/')
    if (isPart) hasParts = true
    else if (hasParts) throw new Error('the process is dead')
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  const dying = dynamodbStorage({
    client: { send: send as DynamoDBClient['send'] },
    tableName: 'large',
    prefix,
  })
  const address = { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
  const reap = { ...address, token: 1, sequence: 0, action: 'fail', reason: 'dead' } as const
  const request = { now: slotAt(1), items: [{ ...reap, runs: largeRuns(4) }] }
  await expect(dying.reap(request)).rejects.toThrow('the process is dead')
  expect(await itemsOf(item.id)).toBeGreaterThan(1)
  const again = { now: slotAt(1), items: [{ ...reap, runs: item.runs ?? [] }] }
  expect(await storage.reap(again)).toMatchObject([{ outcome: 'reaped' }])
  expect(await leftAfterPrune(item.id)).toBe(0)
})

it('a step does not write the further DynamoDB items of a large record again if these items are unchanged', async () => {
  const { id } = await addJob(storage, 'large', 'allow')
  const trigger = triggerItem(id, 1, slotAt(1))
  const item = { ...trigger, details: { ...trigger.details, data: randomBytes(200_000).toString('base64') } }
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  let parts = 0
  const send = async (command: object, options: object): Promise<unknown> => {
    if (command instanceof PutItemCommand && command.input.Item?.sk?.S?.startsWith('part/')) parts++
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  storage = dynamodbStorage({
    client: { send: send as DynamoDBClient['send'] },
    tableName: 'large',
    prefix,
  })
  const { claimed } = await storage.claim({ now: slotAt(1), owner, limit: 1, exceptHandlerKeys: [], sweep: false })
  expect(claimed).toMatchObject([{ state: 'running', details: item.details }])
  const address = { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
  await storage.cancel({ now: slotAt(1), items: [{ ...address, reason: 'over', actor: null, mode: 'request' }] })
  expect(await recordOf(item.id)).toMatchObject({ cancelRequest: { reason: 'over' }, details: item.details })
  expect(parts).toBe(0)
})

it('a prune of an old run removes no DynamoDB item of a concurrent new run with the same key', async () => {
  const { id } = await addJob(storage, 'large')
  const data = randomBytes(200_000).toString('base64')
  const trigger = (at: number) => {
    const item = triggerItem(id, 1, at)
    return { ...item, details: { ...item.details, data } }
  }
  const first = trigger(start + 1)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [first] })
  const { claimed } = await storage.claim({ now: slotAt(1), owner, limit: 1, exceptHandlerKeys: [], sweep: false })
  const { token, sequence } = claimed[0] as OccurrenceRecord
  const finish = { ...finishItem(id, 1), id: first.id, scheduledAt: first.scheduledAt, token, sequence: sequence + 1 }
  expect(await storage.settle({ now: slotAt(1), items: [finish] })).toMatchObject([{ outcome: 'ok' }])
  const again = trigger(slotAt(3))
  const send = async (command: object, options: object): Promise<unknown> => {
    const answer = await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
    // The interrupted prune has removed the occurrence's address, but not its record.
    if (command instanceof DeleteItemCommand) {
      const made = await storage.createOccurrences({ now: slotAt(3), owner, items: [again] })
      expect(made).toMatchObject([{ outcome: 'created' }])
    }
    return answer
  }
  const pruning = dynamodbStorage({ client: { send: send as DynamoDBClient['send'] }, tableName: 'large', prefix })
  const request = { now: slotAt(9), jobId: id, before: slotAt(2), keep: 0, limit: 9 }
  expect(await pruning.prune(request)).toMatchObject({ removed: 1 })
  expect(again.id).toBe(first.id)
  expect(await recordOf(again.id)).toMatchObject({ scheduledAt: slotAt(3), details: { data } })
})

/** Returns how many items the partition of the occurrence `id` contains: its address and the parts of its large values. */
async function itemsOf(id: `occ_${string}`): Promise<number> {
  const { pk } = new Keys(prefix).parts(id, '')
  let count = 0
  let start: Item | undefined
  do {
    const page: QueryCommandOutput = await client.send(
      new QueryCommand({
        TableName: 'large',
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: pk } },
        ConsistentRead: true,
        Select: 'COUNT',
        ExclusiveStartKey: start,
      }),
    )
    count += page.Count ?? 0
    start = page.LastEvaluatedKey
  } while (start !== undefined)
  return count
}

// 70 of these triggers already exceed the 4 MB of one transaction.
const largeTriggers = isThorough ? 99 : 70

it(`${largeTriggers} waiting triggers with large data are canceled in one step`, async () => {
  const { id } = await addJob(storage, 'large', 'queue')
  const items = Array.from({ length: largeTriggers }, (_, key) => {
    const item = triggerItem(id, key)
    return { ...item, details: { ...item.details, data: randomBytes(45_000).toString('base64') } }
  })
  await storage.createOccurrences({ now: slotAt(1), owner, items })
  const [answer] = await storage.saveJobs({
    now: slotAt(2),
    changes: [{ kind: 'delete', id, expectedVersion: null }],
  })
  expect(answer).toMatchObject({ outcome: 'saved' })
  const found = await historyOf(storage, id)
  expect(found).toHaveLength(largeTriggers)
  expect(new Set(found.map(({ state, reason }) => `${state} ${reason}`))).toEqual(new Set(['canceled deleted']))
  expect(new Set(found.map(({ details }) => details.data))).toEqual(new Set(items.map(({ details }) => details.data)))
})

describe('the list of active occurrences in the head of a job', () => {
  const headKey = (id: JobId) => ({ pk: { S: `${prefix}:job/${id.slice(4)}` }, sk: { S: 'head' } })

  /**
   * Writes a list of `count` equal occurrences into the job's head, and sets `lookAt` to `count`. So the next step checks
   * which of these occurrences have ended.
   */
  async function fillList(id: JobId, entry: OccurrenceAddress, count: number): Promise<void> {
    await client.send(
      new UpdateItemCommand({
        TableName: 'large',
        Key: headKey(id),
        UpdateExpression: 'SET l = :live, k = :now',
        ExpressionAttributeValues: {
          ':live': { B: printLiveList(Array.from({ length: count }, () => entry)) },
          ':now': { N: String(count) },
        },
      }),
    )
  }

  async function storedLists(id: JobId) {
    const { Item: item } = await client.send(
      new GetItemCommand({ TableName: 'large', Key: headKey(id), ConsistentRead: true }),
    )
    const { active, pages, lookAt } = readHead(item as Item)
    return { listed: active.length, pages: pages.to - pages.from, onPages: pages.entries, lookAt }
  }

  async function addTriggers(id: JobId, first: number, count: number) {
    const items = Array.from({ length: count }, (_, index) => triggerItem(id, first + index, slotAt(1) + index))
    const answers = await storage.createOccurrences({ now: slotAt(2), owner, items })
    expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['created']))
    return items
  }

  /** Claims and ends `count` occurrences. These calls do not write the job's head. */
  async function endSome(count: number): Promise<void> {
    const { claimed } = await storage.claim({
      now: slotAt(3),
      owner,
      limit: count,
      exceptHandlerKeys: [],
      sweep: false,
    })
    expect(claimed).toHaveLength(count)
    const items = claimed.map(({ id, jobId, scheduledAt, token, sequence }) => {
      return { ...finishItem(jobId, 1), id, scheduledAt, token, sequence: sequence + 1 }
    })
    await storage.settle({ now: slotAt(3), items })
  }

  it.each(['has ended', 'was pruned'])('loses the entry of a run that %s when a step checks the list', async (what) => {
    const { id } = await addJob(storage, what, 'allow')
    const [ended] = await addTriggers(id, 0, 1)
    await endSome(1)
    const entry = { ...(ended as OccurrenceAddress), ...(what === 'was pruned' && { scheduledAt: slotAt(0) }) }
    await fillList(id, entry, 100)
    await addTriggers(id, 1, 1)
    expect(await storedLists(id)).toEqual({ listed: 1, pages: 0, onPages: 0, lookAt: 12 })
    await fillList(id, entry, 100)
    const recovery = { now: slotAt(200), owner, items: [recoveryOf(id, 200)] }
    expect(await storage.createOccurrences(recovery)).toMatchObject([{ outcome: 'created' }])
    expect(await storedLists(id)).toEqual({ listed: 0, pages: 2, onPages: 200, lookAt: 165 })
  })

  it('uses pages that cost one read unit each, also with the longest prefix', async () => {
    const prefix = 'p'.repeat(64)
    const prefixed = dynamodbStorage({ client, tableName: 'large', prefix })
    const { id } = await addJob(prefixed, 'pages', 'allow')
    await prefixed.createOccurrences({ now: slotAt(200), owner, items: [recoveryOf(id, 200)] })
    const [page] = new Keys(prefix).activePages(id, { from: 0, to: 1 })
    const read = { ConsistentRead: true, ReturnConsumedCapacity: 'TOTAL' } as const
    const answer = await client.send(new GetItemCommand({ TableName: 'large', Key: keyItem(page as Key), ...read }))
    expect([answer.Item?.l?.B !== undefined, answer.ConsumedCapacity?.CapacityUnits]).toEqual([true, 1])
  })

  it('uses pages for hundreds of live runs, and drops the pages after the runs have ended', async () => {
    const { id } = await addJob(storage, 'many', 'allow')
    // The list of 200 live runs already needs a page. After these runs have ended, the test starts `more` further runs. If
    // steps did not check which runs have ended, the lists would grow to `runs + more` entries.
    const runs = isThorough ? 900 : 200
    const more = isThorough ? 900 : 100
    for (let first = 0; first < runs; first += 100) await addTriggers(id, first, 100)
    const full = await storedLists(id)
    expect(full.listed + full.onPages).toBe(runs)
    expect(full.listed).toBeLessThanOrEqual(165)
    for (let ended = 0; ended < runs; ended += 100) await endSome(100)
    expect((await storage.get({ counts: [id] })).counts).toEqual([{ pending: 0, queued: 0, running: 0 }])
    for (let first = runs; first < runs + more; first += 100) {
      if (first > runs) await endSome(100)
      await addTriggers(id, first, 100)
    }
    const { listed, onPages } = await storedLists(id)
    expect(listed + onPages).toBeLessThan(isThorough ? 360 : 200)
    await assertLedger(storage)
  })
})

const slots = isThorough ? 1000 : 120

it(`a recovery of ${slots} slots is one step, and its runs wait for each other`, async () => {
  const { id } = await addJob(storage, 'recovered', 'queue')
  const item = recoveryOf(id, slots)
  expect(await storage.createOccurrences({ now: slotAt(slots), owner, items: [item] })).toMatchObject([
    { outcome: 'created', state: 'queued' },
  ])
  const states = (await historyOf(storage, id)).map(({ state }) => state)
  expect(states).toEqual(['pending', ...Array.from({ length: slots - 1 }, () => 'queued')])
  expect((await storage.get({ jobs: [id] })).jobs[0]).toMatchObject({
    watermark: slotAt(slots),
    nextAt: slotAt(slots + 1),
  })
  const found = await storage.get({ occurrences: item.entries.map((entry) => entry.id) })
  expect(found.occurrences.every((record) => record !== null)).toBe(true)
  await assertLedger(storage)
})
