import { BatchGetItemCommand, BatchWriteItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type JobId, systemClock } from '@jobistemer/core'
import { partialAnswers, type Storage } from '@jobistemer/core/storage'
import { addJob, finishItem, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { dynamodbStorage } from '../src/index.ts'
import { useTable } from './use-table.ts'

const tableName = 'throttled-job'
let client: DynamoDBClient
let storage: Storage
let tests = 0
/** The monotonic time in ms. Only pauses, and the tests themselves, advance it. */
let monotonicMs = 0
let failureOf: (command: string, request: string) => Error | null
/** Number of requests that DynamoDB has not answered yet. */
let inFlight = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(() => {
  failureOf = () => null
  vi.spyOn(systemClock, 'monotonic').mockImplementation(() => monotonicMs)
  vi.spyOn(systemClock, 'setTimer').mockImplementation((delayMs, callback) => {
    // Time passes only while no request is in flight. Otherwise all pauses would be over before DynamoDB answers.
    const fire = () => {
      if (inFlight > 0) return void setImmediate(fire)
      monotonicMs += delayMs
      callback()
    }
    setImmediate(fire)
    return { cancel: () => undefined }
  })
  const send = async (command: { readonly input: object }, options: object): Promise<unknown> => {
    const failure = failureOf(command.constructor.name, JSON.stringify(command.input))
    if (failure !== null) throw failure
    inFlight++
    try {
      return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
    } finally {
      inFlight--
    }
  }
  storage = dynamodbStorage({ client: { send: send as DynamoDBClient['send'] }, tableName, prefix: `test-${++tests}` })
})

afterEach(() => {
  vi.restoreAllMocks()
})

const throttled = () => Object.assign(new Error('The rate is exceeded'), { name: 'ThrottlingException' })

const canceledBy = (Code: string) => () =>
  Object.assign(new Error('canceled'), { name: 'TransactionCanceledException', CancellationReasons: [{ Code }] })

/** Makes DynamoDB reject the requests of these kinds that concern the job. */
function reject(kinds: RegExp, job: JobId, failure: () => Error): void {
  failureOf = (command, request) => (kinds.test(command) && request.includes(job.slice(4)) ? failure() : null)
}

/** Returns the error of a call, and the outcomes of its items: `null` for an item without an answer. */
async function failed(call: unknown) {
  const error = await Promise.resolve(call).then(
    () => new Error('The call has not rejected.'),
    (reason: unknown) => reason as Error & { readonly code?: string },
  )
  const answers = partialAnswers.get(error) as readonly ({ readonly outcome: string } | null)[] | undefined
  return { code: 'code' in error ? error.code : error, outcomes: answers?.map((answer) => answer?.outcome ?? null) }
}

/** Returns a client whose answers to batches leave out all items but the first, as if the table were throttled. */
function reluctant(): Pick<DynamoDBClient, 'send'> & { readonly requests: number } {
  let requests = 0
  const forward = (command: object, options: object) =>
    (client.send as (command: object, options: object) => Promise<object>)(command, options)
  const send = async (command: object, options: object): Promise<unknown> => {
    if (command instanceof BatchGetItemCommand) {
      requests++
      const { Keys: keys = [], ...rest } = command.input.RequestItems?.[tableName] ?? { Keys: [] }
      const first = { [tableName]: { ...rest, Keys: keys.slice(0, 1) } }
      const left = keys.length > 1 ? { [tableName]: { ...rest, Keys: keys.slice(1) } } : {}
      return { ...(await forward(new BatchGetItemCommand({ RequestItems: first }), options)), UnprocessedKeys: left }
    }
    if (command instanceof BatchWriteItemCommand) {
      const writes = command.input.RequestItems?.[tableName] ?? []
      const first = { [tableName]: writes.slice(0, 1) }
      const left = writes.length > 1 ? { [tableName]: writes.slice(1) } : {}
      return { ...(await forward(new BatchWriteItemCommand({ RequestItems: first }), options)), UnprocessedItems: left }
    }
    return await forward(command, options)
  }
  return Object.defineProperty({ send }, 'requests', { get: () => requests }) as unknown as ReturnType<typeof reluctant>
}

const failures = { throttled: canceledBy('ThrottlingError'), contended: canceledBy('TransactionConflict') }

it.each(['throttled', 'contended'] as const)(
  'a create of two jobs of which one is %s creates the run of the other job, and pauses for about 2 s',
  async (name) => {
    const [hot, cold] = [await addJob(storage, 'hot'), await addJob(storage, 'cold')]
    reject(/Transact/, hot.id, failures[name])
    const begunAt = monotonicMs
    const items = [slotItem(hot.id, 1), slotItem(cold.id, 1)]
    const call = storage.createOccurrences({ now: slotAt(1), owner, items })
    expect(await failed(call)).toEqual({ code: 'STORAGE_BUSY', outcomes: [null, 'created'] })
    expect(monotonicMs - begunAt).toBeLessThan(4000)
  },
)

it('a settle of two jobs of which one is throttled settles the run of the other job, and pauses for about 4 s', async () => {
  const [hot, cold] = [await addJob(storage, 'hot'), await addJob(storage, 'cold')]
  const items = [slotItem(hot.id, 1), slotItem(cold.id, 1)]
  await storage.createOccurrences({ now: slotAt(1), owner, items })
  reject(/Put|Update|Transact/, hot.id, throttled)
  const begunAt = monotonicMs
  const call = storage.settle({ now: slotAt(1) + 20, items: [finishItem(hot.id, 1), finishItem(cold.id, 1)] })
  expect(await failed(call)).toEqual({ code: 'STORAGE_BUSY', outcomes: [null, 'ok'] })
  expect(monotonicMs - begunAt).toBeLessThan(8000)
})

it('a settle of one throttled job pauses for `retryTimeout`', async () => {
  const { id } = await addJob(storage, 'alone')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  reject(/Put|Update|Transact/, id, throttled)
  const begunAt = monotonicMs
  const call = storage.settle({ now: slotAt(1) + 20, items: [finishItem(id, 1)] })
  expect((await failed(call)).code).toBe('STORAGE_BUSY')
  expect(monotonicMs - begunAt).toBeGreaterThanOrEqual(20_000)
})

it('a claim while one job is throttled claims the runs of the other job', async () => {
  const [hot, cold] = [await addJob(storage, 'hot', 'allow'), await addJob(storage, 'cold', 'allow')]
  await storage.createOccurrences({ now: slotAt(1), owner, items: [triggerItem(hot.id, 1), triggerItem(cold.id, 1)] })
  reject(/Transact/, hot.id, failures.throttled)
  const claim = { now: slotAt(1), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
  expect(await storage.claim(claim)).toMatchObject({ claimed: [{ jobId: cold.id }] })
})

it('a create of one throttled job pauses for `retryTimeout`', async () => {
  const { id } = await addJob(storage, 'alone')
  reject(/Transact/, id, failures.throttled)
  const begunAt = monotonicMs
  const call = storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  expect((await failed(call)).code).toBe('STORAGE_BUSY')
  expect(monotonicMs - begunAt).toBeGreaterThanOrEqual(20_000)
})

it('concurrent creates of one throttled job reject after one `retryTimeout`, each with its own error', async () => {
  const { id } = await addJob(storage, 'alone', 'allow')
  reject(/Transact/, id, failures.throttled)
  const begunAt = monotonicMs
  const creates = [1, 2, 3, 4].map(async (key) => {
    await storage.createOccurrences({ now: slotAt(1), owner, items: [triggerItem(id, key)] })
  })
  const errors = (await Promise.allSettled(creates)).map((result) => (result as PromiseRejectedResult).reason)
  expect(errors).toMatchObject(creates.map(() => ({ code: 'STORAGE_BUSY' })))
  expect(new Set(errors).size).toBe(4)
  expect(monotonicMs - begunAt).toBeLessThan(30_000)
})

it('a create of two jobs whose writes are all throttled pauses for `retryTimeout`, and its error has no answers', async () => {
  const jobs = [await addJob(storage, 'first'), await addJob(storage, 'second')]
  failureOf = (command) => (command === 'TransactWriteItemsCommand' ? throttled() : null)
  monotonicMs += 60_000
  const begunAt = monotonicMs
  const items = jobs.map(({ id }) => slotItem(id, 1))
  const call = storage.createOccurrences({ now: slotAt(1), owner, items })
  expect(await failed(call)).toEqual({ code: 'STORAGE_BUSY', outcomes: undefined })
  expect(monotonicMs - begunAt).toBeGreaterThanOrEqual(20_000)
})

it('batches of which DynamoDB processes one item at a time pause before each repeat, and do not reach `retryTimeout`', async () => {
  const { id } = await addJob(storage, 'batches')
  const slots = Array.from({ length: 20 }, (_, index) => index + 1)
  for (const index of slots) {
    await storage.createOccurrences({ now: slotAt(index), owner, items: [slotItem(id, index)] })
    await storage.settle({ now: slotAt(index) + 20, items: [finishItem(id, index)] })
  }
  const slow = reluctant()
  const throttledStorage = dynamodbStorage({ client: slow, tableName, prefix: `test-${tests}`, retryTimeout: 60 })
  const begunAt = monotonicMs
  await throttledStorage.get({ occurrences: slots.map((index) => slotItem(id, index).id) })
  expect(slow.requests).toBe(40)
  expect(monotonicMs - begunAt).toBeGreaterThanOrEqual(38 * 12)
  const prune = { now: slotAt(30), jobId: id, before: slotAt(30), keep: 0, limit: 50 }
  expect(await throttledStorage.prune(prune)).toMatchObject({ removed: 20 })
})
