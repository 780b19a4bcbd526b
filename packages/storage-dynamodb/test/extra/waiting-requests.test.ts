import { type DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb'
import { jobId } from '@jobistemer/core'
import {
  compareOrder,
  type CreateRequested,
  type OccurrenceRecord,
  type OverlapPolicy,
  type Storage,
} from '@jobistemer/core/storage'
import { contentOf, finishItem, owner, slotAt, start, triggerItem } from '@jobistemer/test-kit'
import { beforeEach, expect, it } from 'vitest'
import { type Item, sizeOf } from '../../src/attributes.ts'
import { dynamodbStorage } from '../../src/index.ts'
import { useTable } from '../use-table.ts'

const tableName = 'waiting'
/** Number of waiting requests that the package's guide promises for one job. */
const count = 100_000
const timeoutMs = 7_200_000

let client: DynamoDBClient
let storage: Storage
let tests = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(() => {
  // DynamoDB Local sorts its whole index for each query. So a query can take longer than the default `requestTimeout`.
  storage = dynamodbStorage({ client, tableName, prefix: `test-${++tests}`, requestTimeout: { minutes: 2 } })
})

const id = jobId('letters')
const at = slotAt(1)

async function addLetters(policy: OverlapPolicy, maxConcurrency = 1): Promise<void> {
  const overlap = { policy, maxQueued: 100_000, ...(maxConcurrency > 1 && { maxConcurrency }) }
  const content = { ...contentOf('letters'), overlap }
  expect(await storage.saveJobs({ now: start, changes: [{ kind: 'create', id, content }] })).toMatchObject([
    { outcome: 'saved' },
  ])
}

/** Returns requests whose scheduled times are not in ascending order. Every tenth request has a priority. */
function requests(): readonly CreateRequested[] {
  return Array.from({ length: count }, (_, index) => {
    const item = triggerItem(id, index, at + (index ^ 5))
    return index % 10 === 3 ? { ...item, details: { ...item.details, priority: (index % 3) - 1 || 2 } } : item
  })
}

async function createAll(items: readonly CreateRequested[]): Promise<void> {
  for (let first = 0; first < items.length; first += 1000) {
    const some = items.slice(first, first + 1000)
    const answers = await storage.createOccurrences({ now: slotAt(6), owner, items: some })
    expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['created']))
  }
}

/** Returns the size of the job's head in bytes. Each step writes the head. */
async function headBytes(): Promise<number> {
  const key = { pk: { S: `test-${tests}:job/${id.slice(4)}` }, sk: { S: 'head' } }
  const { Item: item } = await client.send(new GetItemCommand({ TableName: tableName, Key: key, ConsistentRead: true }))
  return sizeOf(item as Item)
}

async function countsOf() {
  return (await storage.get({ counts: [id] })).counts[0]
}

async function claim(limit: number): Promise<readonly OccurrenceRecord[]> {
  const request = { now: slotAt(60), owner, limit, exceptHandlerKeys: [], sweep: false }
  return (await storage.claim(request)).claimed
}

async function finish(records: readonly OccurrenceRecord[]): Promise<void> {
  const items = records.map(({ id: its, scheduledAt, token, sequence }) => {
    return { ...finishItem(id, 1), id: its, scheduledAt, token, sequence: sequence + 1 }
  })
  const answers = await storage.settle({ now: slotAt(60), items })
  expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['ok']))
}

/**
 * Reads pages of the job's occurrences in a state until it has at least 3,000 ids, or until no page is left. Returns the ids in
 * the order of the scheduled times.
 */
async function listWaiting(state: 'pending' | 'queued'): Promise<readonly string[]> {
  const query = { kind: 'job', jobId: id, states: [state], order: 'ascending', limit: 1000, runs: false } as const
  const found: string[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences({ ...query, cursor })
    for (const { id: its } of page.items) found.push(its)
    cursor = page.cursor
  } while (cursor !== null && found.length < 3000)
  return found
}

/** Among the items whose ids are in `waiting`, takes the first `most` items by scheduled time. Returns their ids. */
function firstOf(items: readonly CreateRequested[], waiting: ReadonlySet<string>, most: number): readonly string[] {
  const byTime = items
    .filter((item) => waiting.has(item.id))
    .sort((left, right) => left.scheduledAt - right.scheduledAt)
  return byTime.slice(0, most).map((item) => item.id)
}

it(
  `a job with the policy allow holds ${count} waiting requests and starts them in order`,
  async () => {
    await addLetters('allow')
    const items = requests()
    await createAll(items)
    expect(await countsOf()).toEqual({ pending: count, queued: 0, running: 0 })
    expect(await headBytes()).toBeLessThan(5000)
    const inOrder = [...items].sort(compareOrder).map((item) => item.id)
    const ran: string[] = []
    for (let round = 0; round < 5; round++) {
      const claimed = await claim(100)
      ran.push(...claimed.map((record) => record.id))
      await finish(claimed)
    }
    expect(ran).toEqual(inOrder.slice(0, 500))
    const running = await claim(10)
    expect(running).toHaveLength(10)
    expect(await countsOf()).toEqual({ pending: count - 510, queued: 0, running: 10 })
    const pending = await listWaiting('pending')
    expect(pending).toEqual(firstOf(items, new Set(inOrder.slice(510)), pending.length))
    expect(pending.length).toBeGreaterThanOrEqual(Math.min(3000, count - 510))
    const further = Array.from({ length: 400 }, (_, index) => triggerItem(id, count + index, slotAt(3) + index))
    await createAll(further)
    expect(await countsOf()).toEqual({ pending: count - 110, queued: 0, running: 10 })
    const [removed] = await storage.saveJobs({
      now: slotAt(61),
      changes: [{ kind: 'delete', id, expectedVersion: null }],
      cancelLimit: 300,
    })
    expect(removed).toMatchObject({ outcome: 'saved', more: true })
    expect(removed?.outcome === 'saved' && removed.canceled.length).toBe(300)
    expect(await countsOf()).toEqual({ pending: count - 410, queued: 0, running: 10 })
  },
  timeoutMs,
)

it(
  `a job with the policy queue holds ${count} waiting requests and starts them in order`,
  async () => {
    await addLetters('queue', 2)
    const items = requests()
    await createAll(items)
    expect(await countsOf()).toEqual({ pending: 2, queued: count - 2, running: 0 })
    expect(await headBytes()).toBeLessThan(3000)
    const [first, second, ...behind] = items
    const queue = [...behind].sort(compareOrder).map((item) => item.id)
    const canceled = queue.filter((_, index) => index % 7 === 3).slice(0, 60)
    const answers = await storage.cancel({
      now: slotAt(6),
      items: canceled.map((its) => {
        const { scheduledAt } = items.find((item) => item.id === its) as CreateRequested
        return { id: its, jobId: id, scheduledAt, reason: 'over', actor: null, mode: 'request' } as const
      }),
    })
    expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['canceled']))
    const ran: string[] = []
    const most = 150
    while (ran.length < most) {
      const claimed = await claim(2)
      expect(claimed.length).toBeGreaterThan(0)
      ran.push(...claimed.map((record) => record.id))
      await finish(claimed)
    }
    const expected = queue.filter((its) => !canceled.includes(its))
    expect(new Set(ran.slice(0, 2))).toEqual(new Set([first?.id, second?.id]))
    expect(new Set(ran)).toEqual(new Set([first?.id, second?.id, ...expected.slice(0, ran.length - 2)]))
    expect(await countsOf()).toEqual({ pending: 2, queued: count - 60 - ran.length - 2, running: 0 })
    const queued = await listWaiting('queued')
    expect(queued).toEqual(firstOf(items, new Set(expected.slice(ran.length)), queued.length))
    expect(queued.length).toBeGreaterThanOrEqual(Math.min(3000, count - 62 - ran.length))
    const another = triggerItem(id, count, slotAt(5))
    const urgent = { ...another, details: { ...another.details, priority: 20 } }
    await createAll([urgent])
    await finish(await claim(2))
    expect((await claim(2)).map((record) => record.id)).toContain(urgent.id)
  },
  timeoutMs,
)
