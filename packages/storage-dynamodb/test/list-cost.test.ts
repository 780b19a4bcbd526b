import { randomBytes, randomUUID } from 'node:crypto'
import { BatchWriteItemCommand, type DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb'
import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import type { OccurrenceQuery, OccurrenceRecord, OccurrenceState, Page, Storage } from '@jobistemer/core/storage'
import {
  addJob,
  contentOf,
  finishItem,
  firstAttempt,
  owner,
  slotAt,
  slotItem,
  start,
  triggerItem,
} from '@jobistemer/test-kit'
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { localClient } from './local-client.ts'
import { type Meter, meteredClient } from './metered-client.ts'

const tableName = 'list-cost'
let meter: Meter
/** The client that prepares the data of a test. */
let client: DynamoDBClient
let storage: Storage
let measured: Storage
let tests = 0

beforeAll(async () => {
  meter = meteredClient(inject('dynamodb'))
  client = localClient(inject('dynamodb'))
  await createTable({ client, tableName })
})

afterAll(() => {
  meter?.client.destroy()
  client?.destroy()
})

beforeEach(async () => {
  const prefix = `test-${++tests}`
  storage = dynamodbStorage({ client, tableName, prefix })
  measured = dynamodbStorage({ client: meter.client, tableName, prefix })
  await measured.get({})
})

/** Adds a job whose latest run has failed, after `completed` completed runs. */
async function failedAfter(completed: number): Promise<JobId> {
  const { id } = await addJob(storage, 'nightly-report')
  await run(id, 1, 'completed')
  await copyBackwards(id, completed - 1)
  await run(id, 2, 'failed')
  return id
}

async function run(id: JobId, index: number, state: 'completed' | 'failed', runs = firstAttempt(slotAt(index))) {
  await storage.createOccurrences({ now: slotAt(index), owner, items: [slotItem(id, index)] })
  const item = { ...finishItem(id, index), runs, change: { kind: 'finish', state, reason: null } as const }
  expect(await storage.settle({ now: slotAt(index) + 20, items: [item] })).toMatchObject([{ outcome: 'ok' }])
}

/** Copies the first record of a job `count` times, each copy with an earlier scheduled time. */
async function copyBackwards(id: JobId, count: number): Promise<void> {
  const pk = { S: `test-${tests}:history/${id.slice(4)}` }
  const query = { TableName: tableName, KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: { ':pk': pk } }
  const { Items: [first] = [] } = await client.send(new QueryCommand(query))
  const keys = Array.from({ length: count }, (_, index) => {
    const at = slotAt(-index)
    return { pk, sk: { S: `${String(at).padStart(16, '0')}/${occurrenceId(id, at).slice(4)}` } }
  })
  for (let index = 0; index < count; index += 25) {
    const puts = keys.slice(index, index + 25).map((key) => ({ PutRequest: { Item: { ...first, ...key } } }))
    await client.send(new BatchWriteItemCommand({ RequestItems: { [tableName]: puts } }))
  }
}

/** Copies the only pending record of a job `count` times. */
async function copyPending(id: JobId, count: number): Promise<void> {
  const pk = { S: `test-${tests}:history/${id.slice(4)}` }
  const query = { TableName: tableName, KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: { ':pk': pk } }
  const { Items: [first] = [] } = await client.send(new QueryCommand(query))
  const place = first?.lp?.S?.replace(/\d+$/, '')
  const instant = first?.sk?.S?.split('/')[0]
  for (let index = 0; index < count; index += 25) {
    const puts = Array.from({ length: 25 }, (_, offset) => {
      const lp = { S: `${place}${(index + offset) % 2}` }
      return { PutRequest: { Item: { ...first, lp, sk: { S: `${instant}/${randomUUID()}` } } } }
    })
    await client.send(new BatchWriteItemCommand({ RequestItems: { [tableName]: puts } }))
  }
}

const ofJob = (id: JobId, limit: number, states?: readonly OccurrenceState[]): OccurrenceQuery => ({
  kind: 'job',
  jobId: id,
  order: 'descending',
  limit,
  cursor: null,
  runs: false,
  ...(states !== undefined && { states }),
})

it('a list of failed occurrences reads no further records when its page is full, however long the history is', async () => {
  const id = await failedAfter(400)
  const usage = await meter.measure(async () => {
    const { items, cursor } = await measured.listOccurrences(ofJob(id, 1, ['failed']))
    expect(items.map(({ scheduledAt }) => scheduledAt)).toEqual([slotAt(2)])
    // The page has a cursor, because earlier occurrences may have failed too.
    expect(cursor).not.toBeNull()
  })
  expect(usage.readRequests).toBe(1)
  expect(usage.reads).toBeLessThan(4)
})

it('a list of failed occurrences contains each failure of a long history, with any page size', async () => {
  const id = await failedAfter(90)
  await run(id, 3, 'completed')
  await run(id, 4, 'failed')
  for (const limit of [1, 2, 3, 60]) {
    const found: number[] = []
    let cursor: string | null = null
    do {
      const page: Page<OccurrenceRecord> = await measured.listOccurrences({ ...ofJob(id, limit, ['failed']), cursor })
      found.push(...page.items.map(({ scheduledAt }) => scheduledAt))
      cursor = page.cursor
    } while (cursor !== null)
    expect(found).toEqual([slotAt(4), slotAt(2)])
  }
})

it('a list reads only the large task runs that it returns', async () => {
  const { id } = await addJob(storage, 'large')
  const result = () => randomBytes(150_000).toString('base64')
  const large = () => [...firstAttempt(start), ...firstAttempt(start)].map((one) => ({ ...one, result: result() }))
  for (let index = 1; index <= 3; index++) await run(id, index, 'completed', large())
  await run(id, 4, 'failed', large())
  const failed = await meter.measure(async () => {
    const { items } = await measured.listOccurrences({ ...ofJob(id, 5, ['failed']), runs: true })
    expect(items.map(({ runs }) => runs.length)).toEqual([2])
  })
  // The storage sends one query for the history. It sends one read for the failed run's large values, which are in separate
  // items.
  expect(failed.readRequests).toBe(2)
  const withoutRuns = await meter.measure(async () => {
    const { items } = await measured.listOccurrences(ofJob(id, 5))
    expect(items.map(({ runs }) => runs.length)).toEqual([0, 0, 0, 0])
  })
  expect(withoutRuns.readRequests).toBe(1)
})

it('a page of queued occurrences reads no more records than it returns', async () => {
  const id = jobId('letters')
  const content = contentOf('letters', 'queue')
  await storage.saveJobs({ now: start, changes: [{ kind: 'create', id, content }] })
  for (let part = 0; part < 2; part++) {
    const items = Array.from({ length: 100 }, (_, index) => triggerItem(id, part * 100 + index))
    await storage.createOccurrences({ now: slotAt(1), owner, items })
  }
  const usage = await meter.measure(async () => {
    const page = await measured.listOccurrences(ofJob(id, 10, ['queued']))
    expect(page.items).toHaveLength(10)
    const next = await measured.listOccurrences({ ...ofJob(id, 200, ['queued']), cursor: page.cursor })
    expect(next.items).toHaveLength(189)
    expect(next.cursor).toBeNull()
    expect(new Set([...page.items, ...next.items].map((item) => item.id)).size).toBe(199)
  })
  expect(usage.reads).toBeGreaterThan(199)
  const first = await meter.measure(() => measured.listOccurrences(ofJob(id, 10, ['queued'])))
  // The request reads the head, and one record more than the page holds.
  expect(first.reads).toBeLessThan(15)
})

it('a claim skips the pending occurrences of a paused job in few requests, and takes a later occurrence of another job', async () => {
  const paused = await addJob(storage, 'paused', 'allow')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [triggerItem(paused.id, 0)] })
  await copyPending(paused.id, 1200)
  const pause = { at: slotAt(1), reason: null, actor: null }
  await storage.saveJobs({ now: slotAt(1), changes: [{ kind: 'pause', id: paused.id, paused: pause }] })
  const ready = await addJob(storage, 'ready')
  await storage.createOccurrences({ now: slotAt(2), owner, items: [triggerItem(ready.id, 0, slotAt(2))] })
  const usage = await meter.measure(async () => {
    const request = { now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
    const { claimed, more } = await measured.claim(request)
    expect(claimed.map(({ jobId: its }) => its)).toEqual([ready.id])
    expect(more).toBe(false)
  })
  // The requests read four pages of both partitions of pending occurrences, and the heads and records of both jobs.
  expect(usage.readRequests).toBeLessThan(16)
})

it('a claim reports the cancel requests of running occurrences without reading the large task runs of these occurrences', async () => {
  const { id } = await addJob(storage, 'large')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  const result = () => randomBytes(150_000).toString('base64')
  const runs = [...firstAttempt(start), ...firstAttempt(start)].map((one) => ({ ...one, result: result() }))
  const progress = { ...finishItem(id, 1), runs, change: { kind: 'progress' } as const }
  expect(await storage.settle({ now: slotAt(1), items: [progress] })).toMatchObject([{ outcome: 'ok' }])
  const { id: its, jobId: job, scheduledAt } = progress
  await storage.cancel({
    now: slotAt(2),
    items: [{ id: its, jobId: job, scheduledAt, mode: 'request', reason: 'enough', actor: null }],
  })
  const usage = await meter.measure(async () => {
    const request = { now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
    expect((await measured.claim(request)).cancelRequested).toMatchObject([{ id: its, reason: 'enough' }])
  })
  // The requests read both partitions of pending occurrences, the cancel requests, and the running occurrence.
  expect(usage.readRequests).toBe(4)
})
