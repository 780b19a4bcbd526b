import { randomBytes } from 'node:crypto'
import {
  type AttributeValue,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import { jobId } from '@jobistemer/core'
import { addJob, contentOf, finishItem, owner, slotAt, slotItem, start, triggerItem } from '@jobistemer/test-kit'
import type { Storage } from '@jobistemer/core/storage'
import { beforeEach, expect, it } from 'vitest'
import { dynamodbStorage } from '../src/index.ts'
import { Keys, keyItem } from '../src/keys.ts'
import { parseLiveList, printLiveList } from '../src/job-item.ts'
import { losingClient } from './losing-client.ts'
import { useTable } from './use-table.ts'

const tableName = 'lost-answers'
let client: DynamoDBClient
let losing: ReturnType<typeof losingClient>
let storage: Storage
let prefix: string
let tests = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(() => {
  prefix = `test-${++tests}`
  losing = losingClient(client, PutItemCommand)
  storage = dynamodbStorage({ client: losing, tableName, prefix })
})

async function addRunning(name: string) {
  const { id } = await addJob(storage, name)
  // The storage compresses details of this length.
  const item = { ...slotItem(id, 1), details: { requestReason: 'long '.repeat(1000) } }
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  losing.losses = 1
  return { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
}

it('a forced cancel whose first answer was lost reports that it has canceled the run', async () => {
  const run = await addRunning('canceled')
  const item = { ...run, reason: 'wrong', actor: null, mode: 'force' } as const
  expect(await storage.cancel({ now: slotAt(1), items: [item] })).toMatchObject([{ outcome: 'canceled' }])
  expect(losing.losses).toBe(0)
  expect(await storage.cancel({ now: slotAt(2), items: [item] })).toMatchObject([{ outcome: 'final' }])
})

it.each(['fail', 'retry'] as const)(
  'a reap (%s) whose first answer was lost reports that it has reaped the run',
  async (action) => {
    const run = await addRunning(`reaped-${action}`)
    const item = { ...run, token: 1, sequence: 0, runs: [], action, reason: 'node_lost' } as const
    expect(await storage.reap({ now: slotAt(1), items: [item] })).toMatchObject([{ outcome: 'reaped' }])
    expect(losing.losses).toBe(0)
    expect(await storage.reap({ now: slotAt(2), items: [item] })).toMatchObject([{ outcome: 'lost' }])
  },
)

it('a node claims a run of a job whose handler key another version of zlib has compressed', async () => {
  const names = Array.from({ length: 60 }, (_, index) => `handler-${index}-of-the-job`)
  const id = jobId('compressed')
  const content = { ...contentOf('compressed', 'allow'), handlerKey: names.join(' ') }
  await storage.saveJobs({ now: start, changes: [{ kind: 'create', id, content }] })
  await storage.createOccurrences({ now: slotAt(1), owner, items: [triggerItem(id, 1)] })
  const keys = new Keys(prefix)
  const head = { TableName: tableName, Key: keyItem(keys.head(id)) }
  const { Item: stored } = await client.send(new GetItemCommand({ ...head, ConsistentRead: true }))
  const bytes = Buffer.from(stored?.h?.B as Uint8Array)
  // Byte 9 of the header names the operating system.
  bytes[9] = bytes[9] === 10 ? 3 : 10
  const change = { UpdateExpression: 'SET h = :h', ExpressionAttributeValues: { ':h': { B: bytes } } }
  await client.send(new UpdateItemCommand({ ...head, ...change }))
  const claim = { now: slotAt(1), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
  expect(await storage.claim(claim)).toMatchObject({ claimed: [{ jobId: id }] })
})

it('a running record whose separate items were removed is unreadable, and its run can be reaped', async () => {
  const { id } = await addJob(storage, 'parts')
  const details = { requestReason: randomBytes(300_000).toString('base64') }
  const item = { ...slotItem(id, 1), details }
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  const runs = Array.from({ length: 4 }, (_, index) => ({
    task: `task-${index}`,
    state: 'completed' as const,
    attempts: [{ number: 1, state: 'succeeded' as const, startedAt: start, endedAt: start + 1 }],
    result: randomBytes(98_000).toString('base64'),
  }))
  const progress = { ...finishItem(id, 1), runs, change: { kind: 'progress' } as const }
  expect(await storage.settle({ now: slotAt(1), items: [progress] })).toMatchObject([{ outcome: 'ok' }])
  const values = { ':pk': { S: keyItem(new Keys(prefix).address(item.id)).pk?.S as string }, ':part': { S: 'part/' } }
  const KeyConditionExpression = 'pk = :pk AND begins_with(sk, :part)'
  const query = new QueryCommand({ TableName: tableName, KeyConditionExpression, ExpressionAttributeValues: values })
  const { Items: parts = [] } = await client.send(query)
  expect(parts.length).toBeGreaterThan(0)
  for (const { pk, sk } of parts) {
    await client.send(
      new DeleteItemCommand({ TableName: tableName, Key: { pk, sk } as Record<string, AttributeValue> }),
    )
  }
  const { occurrences } = await storage.get({ occurrences: [item.id] })
  expect(occurrences[0]).toMatchObject({ state: 'running', runs: [], details: { unreadable: expect.any(String) } })
  const live = { kind: 'live', state: 'running', runs: true, limit: 10, cursor: null } as const
  expect((await storage.listOccurrences(live)).items).toMatchObject([{ id: item.id }])
  const { scheduledAt } = item
  const reap = {
    id: item.id,
    jobId: id,
    scheduledAt,
    token: 1,
    sequence: 1,
    runs: [],
    action: 'fail',
    reason: 'lost',
  } as const
  expect(await storage.reap({ now: slotAt(1), items: [reap] })).toMatchObject([{ outcome: 'reaped' }])
  const { occurrences: after } = await storage.get({ occurrences: [item.id] })
  expect(after[0]).toMatchObject({ state: 'failed_stale', details: { unreadable: expect.any(String) } })
})

it('the list of live occurrences keeps every instant that a Date can have', () => {
  const entries = [-8.64e15, -1, 0, start, 2 ** 47, 2 ** 48, 8.64e15].map((scheduledAt, index) => ({
    ...slotItem('job_5d1c77aa-0000-5000-8000-000000000000', index),
    jobId: 'job_5d1c77aa-0000-5000-8000-000000000000' as const,
    scheduledAt,
  }))
  const read = parseLiveList('job_5d1c77aa-0000-5000-8000-000000000000', printLiveList(entries))
  expect(read).toEqual(entries.map(({ id, jobId, scheduledAt }) => ({ id, jobId, scheduledAt })))
})
