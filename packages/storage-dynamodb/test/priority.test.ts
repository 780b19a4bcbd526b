import { DeleteItemCommand, type DynamoDBClient, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb'
import type { JobId } from '@jobistemer/core'
import { type CreateRequested, type OccurrenceRecord, priorityStepMs, type Storage } from '@jobistemer/core/storage'
import { addJob, finishItem, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { beforeEach, describe, expect, it } from 'vitest'
import { keyItem } from '../src/keys.ts'
import { keyOf } from '../src/keys.ts'
import { dynamodbStorage } from '../src/index.ts'
import { useTable } from './use-table.ts'

const tableName = 'priority'

let client: DynamoDBClient
let prefix: string
let storage: Storage
let tests = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(() => {
  prefix = `test-${++tests}`
  storage = connect()
})

function connect(): Storage {
  return dynamodbStorage({ client, tableName, prefix })
}

function trigger(job: JobId, key: number, at: number, priority?: number): CreateRequested {
  return { ...triggerItem(job, key, at), details: priority === undefined ? {} : { priority } }
}

async function create(items: readonly CreateRequested[], now: number): Promise<void> {
  const answers = await storage.createOccurrences({ now, owner, items })
  expect(answers.every(({ outcome }) => outcome === 'created')).toBe(true)
}

async function claim(by: Storage, limit: number, now = slotAt(100)): Promise<readonly OccurrenceRecord[]> {
  return (await by.claim({ now, owner, limit, exceptHandlerKeys: [], sweep: false })).claimed
}

async function markers(): Promise<readonly string[]> {
  const { Items: items = [] } = await client.send(new ScanCommand({ TableName: tableName, ConsistentRead: true }))
  const own = items.flatMap(({ pk }) => (pk?.S?.startsWith(`${prefix}:priority/`) ? [pk.S] : []))
  return own.map((pk) => pk.slice(`${prefix}:priority/`.length)).sort()
}

describe('a claim on DynamoDB', () => {
  it('takes a few urgent occurrences before hundreds that are due earlier', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    const low = Array.from({ length: 110 }, (_, key) => trigger(id, key, slotAt(1) + key, -1))
    const plain = Array.from({ length: 110 }, (_, key) => trigger(id, 200 + key, slotAt(1) + key))
    const urgent = [trigger(id, 400, slotAt(50), 3), trigger(id, 401, slotAt(49), 3)]
    await create([...low, ...plain, ...urgent], slotAt(60))
    const claimed = await claim(storage, 5)
    expect(claimed.map(({ scheduledAt }) => scheduledAt - slotAt(1))).toEqual([
      slotAt(49) - slotAt(1),
      slotAt(50) - slotAt(1),
      0,
      1,
      2,
    ])
    expect(claimed.map(({ details }) => details.priority)).toEqual([3, 3, undefined, undefined, undefined])
  })

  it('takes occurrences in order of priority even if they are not on the first page that the claim reads', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    const low = Array.from({ length: 120 }, (_, key) => trigger(id, key, slotAt(1) + key * 2, -2))
    const plain = Array.from({ length: 120 }, (_, key) =>
      trigger(id, 200 + key, slotAt(1) + 2 * priorityStepMs + key * 2 + 1),
    )
    const now = slotAt(1) + 3 * priorityStepMs
    await create([...low, ...plain], now)
    const times: number[] = []
    for (;;) {
      const claimed = await claim(storage, 50, now)
      if (claimed.length === 0) break
      times.push(...claimed.map(({ scheduledAt, details }) => scheduledAt - (details.priority ?? 0) * priorityStepMs))
    }
    expect(times).toEqual(Array.from({ length: 240 }, (_, index) => slotAt(1) + 2 * priorityStepMs + index))
  })

  it('takes occurrences of a priority that another process has used for the first time while the storage was open', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    const other = connect()
    expect(await claim(other, 5)).toEqual([])
    await create([trigger(id, 1, slotAt(1), 7), trigger(id, 2, slotAt(1), -7)], slotAt(2))
    expect((await claim(other, 5)).map(({ details }) => details.priority)).toEqual([7, -7])
    expect(await claim(connect(), 5)).toEqual([])
  })

  it('returns the instant at which the next occurrence is due, whatever the priority of this occurrence', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    await create([trigger(id, 1, slotAt(9), 10), trigger(id, 2, slotAt(8), -10)], slotAt(2))
    const request = { owner, limit: 5, exceptHandlerKeys: [], sweep: false }
    const other = connect()
    expect((await other.claim({ ...request, now: slotAt(3) })).nextDueAt).toBe(slotAt(8))
    expect((await other.claim({ ...request, now: slotAt(8) })).nextDueAt).toBe(slotAt(9))
  })
})

describe('the item that marks a priority as used in DynamoDB', () => {
  it('is written once by each process, and not for occurrences without a priority', async () => {
    const written: string[] = []
    const send = async (command: object, options: object): Promise<unknown> => {
      if (command instanceof PutItemCommand) written.push(command.input.Item?.pk?.S ?? '')
      return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
    }
    storage = dynamodbStorage({ client: { send: send as DynamoDBClient['send'] }, tableName, prefix })
    const { id } = await addJob(storage, 'alpha', 'allow')
    await create([trigger(id, 1, slotAt(1)), trigger(id, 2, slotAt(1))], slotAt(2))
    expect(await markers()).toEqual([])
    await create([trigger(id, 3, slotAt(1), 4), trigger(id, 4, slotAt(1), -4), trigger(id, 5, slotAt(1), 4)], slotAt(2))
    await create([trigger(id, 6, slotAt(1), 4)], slotAt(2))
    expect(await markers()).toEqual(['-4', '4'])
    expect(written.filter((pk) => pk.includes(':priority/'))).toHaveLength(2)
  })

  it('is written again after the table was emptied', async () => {
    const { id } = await addJob(storage, 'alpha', 'allow')
    await create([trigger(id, 1, slotAt(1), 4)], slotAt(2))
    expect(await claim(storage, 5)).toHaveLength(1)
    const { Items: items = [] } = await client.send(new ScanCommand({ TableName: tableName, ConsistentRead: true }))
    for (const item of items.filter(({ pk }) => pk?.S?.startsWith(`${prefix}:`))) {
      await client.send(new DeleteItemCommand({ TableName: tableName, Key: keyItem(keyOf(item)) }))
    }
    expect(await claim(storage, 5)).toEqual([])
    await addJob(storage, 'alpha', 'allow')
    await create([trigger(id, 2, slotAt(1), 4)], slotAt(2))
    expect(await markers()).toEqual(['4'])
    expect(await claim(connect(), 5)).toHaveLength(1)
  })
})

it('counts and lists of DynamoDB contain waiting occurrences with a priority, but no items that mark a priority as used', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  const items = [trigger(id, 1, slotAt(1), 4), trigger(id, 2, slotAt(1), -4), trigger(id, 3, slotAt(1))]
  await create(items, slotAt(2))
  const other = connect()
  expect((await other.get({ counts: ['all'] })).counts).toEqual([{ pending: 3, queued: 0, running: 0 }])
  for (const limit of [1, 2, 10]) {
    const reader = connect()
    const found: string[] = []
    let cursor: string | null = null
    do {
      const query = { kind: 'live', state: 'pending', runs: false, limit, cursor } as const
      const page: Awaited<ReturnType<Storage['listOccurrences']>> = await reader.listOccurrences(query)
      found.push(...page.items.map((record) => record.id))
      cursor = page.cursor
    } while (cursor !== null)
    expect(found.sort()).toEqual(items.map((item) => item.id).sort())
  }
})

it('a released occurrence waits again with the priority that it had before', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  await create([trigger(id, 1, slotAt(3), 5)], slotAt(3))
  const [held] = (await claim(storage, 1)) as [OccurrenceRecord]
  await create(
    Array.from({ length: 120 }, (_, key) => trigger(id, 10 + key, slotAt(1) + key)),
    slotAt(3),
  )
  const { jobId, scheduledAt, token } = held
  const change = { kind: 'release', dueAt: slotAt(99), reason: null } as const
  const item = { id: held.id, jobId, scheduledAt, token, sequence: 1, runs: [], change }
  expect(await storage.settle({ now: slotAt(3), items: [item] })).toMatchObject([{ outcome: 'ok' }])
  expect((await claim(connect(), 1)).map((record) => record.id)).toEqual([held.id])
})

it('every connection to DynamoDB wakes the queued occurrences of a job in the order of priority', async () => {
  const { id } = await addJob(storage, 'alpha', 'queue')
  const items = [trigger(id, 1, slotAt(4), 10), trigger(id, 2, slotAt(2), -10), trigger(id, 3, slotAt(3))]
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  for (const item of items) await create([item], slotAt(5))
  let held = finishItem(id, 1)
  for (const index of [0, 2, 1]) {
    const [answer] = await connect().settle({ now: slotAt(6), items: [held] })
    expect(answer).toMatchObject({ woken: { id: items[index]?.id } })
    const [next] = (await claim(connect(), 1)) as [OccurrenceRecord]
    held = { ...held, id: next.id, scheduledAt: next.scheduledAt }
  }
})
