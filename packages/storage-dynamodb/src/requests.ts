import {
  type $Command,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  type DeleteItemCommandInput,
  type DynamoDBClientResolvedConfig,
  GetItemCommand,
  PutItemCommand,
  type PutItemCommandInput,
  QueryCommand,
  type QueryCommandInput,
  type ServiceInputTypes,
  type ServiceOutputTypes,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb'
import { systemClock } from '@jobistemer/core'
import { partialAnswers, random } from '@jobistemer/core/storage'
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { type Item, text } from './attributes.ts'
import { busyError, closedError, isAbsent, isContention, isOverload, noDate, storageError } from './dynamodb-errors.ts'
import { type Key, keyItem, keyOf } from './keys.ts'
import type { ReadOptions } from './options.ts'

/** Splits the items into groups of at most `size`. */
export function groupsOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, group) => items.slice(group * size, (group + 1) * size))
}

/** A query on the storage's table, without the name of the table. */
export type QueryInput = Omit<QueryCommandInput, 'TableName'>

/** Builds a strongly consistent query for one partition, optionally between two sort keys (both inclusive). */
export function partitionQuery(pk: string, range?: readonly [lower: string, upper: string]): QueryInput {
  if (range === undefined) {
    return { KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: { ':pk': text(pk) }, ConsistentRead: true }
  }
  return {
    KeyConditionExpression: 'pk = :pk AND sk BETWEEN :lower AND :upper',
    ExpressionAttributeValues: { ':pk': text(pk), ':lower': text(range[0]), ':upper': text(range[1]) },
    ConsistentRead: true,
  }
}

/** How requests are repeated and limited in time. */
export interface RequestOptions extends Omit<ReadOptions, 'prefix'> {
  /** The name of the option that gives DynamoDB more time. Error messages contain this name. Default: `retryTimeout`. */
  readonly limit?: 'retryTimeout' | 'timeout'
  /** Returns the time that is left for all requests together, in ms. Default: no limit. */
  readonly leftMs?: () => number
}

/**
 * The result of a conditional update. `before` is the item before the update. `found` is the item that did not meet the
 * condition; `null` if the item does not exist.
 */
export type UpdateOutcome =
  | { readonly written: true; readonly before: Item }
  | { readonly written: false; readonly found: Item | null }

/** Maximum number of items in one transaction. */
export const transactionLimit = 100

/** Maximum size of one transaction in bytes, below DynamoDB's limit of 4 MB because sizes are estimates. */
export const transactionBytes = 3_500_000

const readLimit = 100
/**
 * Maximum number of concurrent requests of one read that needs many requests. The limit leaves sockets and table
 * capacity to other calls.
 */
const groupsAtOnce = 8
const deleteLimit = 25
/** Minimum time limit of one request in ms, even if the time limit of all requests is almost used up. */
const leastRequestMs = 1000

/**
 * Overlap in ms: DynamoDB accepts other writes if it accepted one since this time before the first try of a request. In a batch
 * of jobs, the writes of most jobs end during the first try of a throttled job. Its quick settle then pauses for up to 2 s
 * before its step makes the first try.
 */
const acceptedMs = 5000

/** Sends requests to the table. Repeats requests while DynamoDB is overloaded or unreachable, and throws errors with codes. */
export class Requests {
  readonly tableName: string
  readonly #options: RequestOptions
  /** The requests of which these are the {@link brief} ones; otherwise these requests themselves. */
  readonly #base: Requests
  /**
   * The same requests with a shorter limit, for a step that delays other jobs. While DynamoDB accepts other writes, the pauses
   * of a request reach at most 2 s. While DynamoDB accepts no write, `retryTimeout` is the limit, because early retries of the
   * whole call would add to the load.
   */
  readonly brief: Requests
  /** The check of the table before the first call. `null`: the next call checks the table, because the table may be new. */
  opening: Promise<void> | null = null
  #closed = false
  /** Monotonic time of the last write that DynamoDB has accepted. */
  #writtenAt = -acceptedMs

  constructor(options: RequestOptions, base?: Requests) {
    this.tableName = options.tableName
    this.#options = options
    this.#base = base ?? this
    this.brief = base === undefined ? new Requests(options, this) : this
  }

  /** @throws JobistemerError `STORAGE_CLOSED` */
  assertOpen(): void {
    if (this.#base.#closed) throw closedError(this.tableName)
  }

  close(): void {
    this.#closed = true
  }

  /** Reads one item with strong consistency. */
  async get(key: Key): Promise<Item | null> {
    const input = { TableName: this.tableName, Key: keyItem(key), ConsistentRead: true }
    const { Item: item } = await this.send('GetItem', new GetItemCommand(input))
    return item ?? null
  }

  /**
   * Returns the time of DynamoDB's clock in epoch milliseconds. The time comes from the `Date` header of an answer, which has
   * whole seconds. The request is an eventually consistent read of an item that does not exist, which costs half a read request
   * unit.
   */
  async time(key: Key): Promise<number> {
    const command = new GetItemCommand({ TableName: this.tableName, Key: keyItem(key) })
    let date: string | undefined
    command.middlewareStack.add(
      (next) => async (request) => {
        const result = await next(request)
        date = dateOf(result.response)
        return result
      },
      { step: 'deserialize', priority: 'high', name: 'jobistemerDate' },
    )
    await this.send('GetItem', command)
    const time = Date.parse(date ?? '')
    if (Number.isNaN(time)) throw noDate(this.tableName, date)
    return time
  }

  /** Reads items with strong consistency, but not as one snapshot. The answer omits items that do not exist. */
  async getAll(keys: readonly Key[]): Promise<FoundItems> {
    const found = new FoundItems()
    const [only, another] = keys
    if (only !== undefined && another === undefined) {
      const item = await this.get(only)
      if (item !== null) found.add(item)
      return found
    }
    const distinct = [...new Map(keys.map((key) => [nameOf(key), key])).values()]
    for (const groups of groupsOf(groupsOf(distinct, readLimit), groupsAtOnce)) {
      await Promise.all(groups.map((group) => this.#getGroup(group, found)))
    }
    return found
  }

  async #getGroup(keys: readonly Key[], found: FoundItems): Promise<void> {
    const pauses = new Pauses()
    let wanted: Item[] = keys.map(keyItem)
    while (wanted.length > 0) {
      const request = { [this.tableName]: { Keys: wanted, ConsistentRead: true } }
      const answer = await this.send('BatchGetItem', new BatchGetItemCommand({ RequestItems: request }))
      for (const item of answer.Responses?.[this.tableName] ?? []) found.add(item)
      // DynamoDB omits some items in two cases: the answer would become too large, or the table is overloaded. An answer with
      // some items is progress, so the pause after it is short and does not count.
      const left = answer.UnprocessedKeys?.[this.tableName]?.Keys ?? []
      if (left.length > 0) await this.#wait('BatchGetItem', null, left.length < wanted.length ? null : pauses)
      wanted = left
    }
  }

  /** Reads one page of a query. */
  async query(input: QueryInput): Promise<{ items: readonly Item[]; last: Item | null }> {
    const answer = await this.send('Query', new QueryCommand({ TableName: this.tableName, ...input }))
    return { items: answer.Items ?? [], last: answer.LastEvaluatedKey ?? null }
  }

  /** Yields the items of all pages of a query. `firstLimit`: maximum number of items of the first page. Default: no limit. */
  async *queryAll(input: QueryInput, firstLimit?: number): AsyncGenerator<Item, void, undefined> {
    let start: Item | null = null
    do {
      const page: { items: readonly Item[]; last: Item | null } = await this.query(
        start === null ? { Limit: firstLimit, ...input } : { ...input, ExclusiveStartKey: start },
      )
      yield* page.items
      start = page.last
    } while (start !== null)
  }

  /** Returns the number of items that a query finds. */
  async count(input: QueryInput): Promise<number> {
    let count = 0
    let start: Item | undefined
    do {
      const query = { TableName: this.tableName, ...input, Select: 'COUNT', ExclusiveStartKey: start } as const
      const answer = await this.send('Query', new QueryCommand(query))
      count += answer.Count ?? 0
      start = answer.LastEvaluatedKey
    } while (start !== undefined)
    return count
  }

  /** Writes all items or none. Returns false if a condition failed, or if another transaction used one of the items. */
  async transact(writes: readonly TransactWriteItem[]): Promise<boolean> {
    // With this token, DynamoDB executes a repeated request only once. DynamoDB keeps tokens for 10 minutes.
    const input = { TransactItems: [...writes], ClientRequestToken: randomUUID() }
    return await this.#conditional('TransactWriteItems', new TransactWriteItemsCommand(input))
  }

  /** Updates one item. The condition is required, because otherwise the update would create a missing item. */
  async update(input: Omit<UpdateItemCommandInput, 'TableName'>): Promise<UpdateOutcome> {
    const request: UpdateItemCommandInput = {
      TableName: this.tableName,
      ReturnValues: 'ALL_OLD',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      ...input,
    }
    try {
      const answer = await this.send('UpdateItem', new UpdateItemCommand(request))
      return { written: true, before: answer.Attributes ?? {} }
    } catch (error) {
      return { written: false, found: foundBy(error) }
    }
  }

  /**
   * Writes one item. Returns false if the condition fails. If the table already contains exactly this item, returns true: the
   * answer of an earlier try was lost, or another node has decided the same.
   */
  async put(input: Omit<PutItemCommandInput, 'TableName'>): Promise<boolean> {
    const request = { TableName: this.tableName, ReturnValuesOnConditionCheckFailure: 'ALL_OLD', ...input } as const
    return await this.#conditional('PutItem', new PutItemCommand(request), input.Item)
  }

  /** Deletes one item. Returns false if the condition fails. */
  async delete(input: Omit<DeleteItemCommandInput, 'TableName'>): Promise<boolean> {
    return await this.#conditional('DeleteItem', new DeleteItemCommand({ TableName: this.tableName, ...input }))
  }

  /** Deletes items in any order, not in one transaction. */
  async deleteAll(keys: readonly Key[]): Promise<void> {
    await Promise.all(groupsOf(keys, deleteLimit).map((group) => this.#deleteGroup(group)))
  }

  async #deleteGroup(keys: readonly Key[]): Promise<void> {
    const pauses = new Pauses()
    let wanted = keys.map((key) => ({ DeleteRequest: { Key: keyItem(key) } }))
    while (wanted.length > 0) {
      const request = { [this.tableName]: wanted }
      const answer = await this.send('BatchWriteItem', new BatchWriteItemCommand({ RequestItems: request }))
      const left = answer.UnprocessedItems?.[this.tableName] ?? []
      if (left.length > 0) await this.#wait('BatchWriteItem', null, left.length < wanted.length ? null : pauses)
      wanted = left as typeof wanted
    }
  }

  async #conditional<In extends ServiceInputTypes, Out extends ServiceOutputTypes>(
    operation: string,
    command: Command<In, Out>,
    wanted?: Item,
  ): Promise<boolean> {
    try {
      await this.send(operation, command)
      return true
    } catch (error) {
      return isDeepStrictEqual(foundBy(error), wanted)
    }
  }

  /**
   * Repeats a request until the table answers.
   *
   * @throws conflicts (see {@link isContention}) unchanged, otherwise an error with a code
   */
  async send<In extends ServiceInputTypes, Out extends ServiceOutputTypes>(
    operation: string,
    command: Command<In, Out>,
  ): Promise<Out> {
    const { client, requestTimeoutMs, leftMs = () => requestTimeoutMs } = this.#options
    const pauses = new Pauses()
    for (;;) {
      this.assertOpen()
      try {
        const limitMs = Math.min(requestTimeoutMs, Math.max(leftMs(), leastRequestMs))
        const abortSignal = AbortSignal.timeout(Math.ceil(limitMs))
        const answer = await unlessAborted(client.send(command, { abortSignal }), abortSignal)
        if (!/^(BatchGet|Get|Query)/.test(operation)) this.#base.#writtenAt = systemClock.monotonic()
        return answer
      } catch (error) {
        if (isContention(error)) throw error
        if (isAbsent(error)) this.#base.opening = null
        if (!isOverload(error)) throw storageError(error, this.tableName)
        await this.#wait(operation, error, pauses)
      }
    }
  }

  /**
   * Waits before the next try of a request. `pauses: null`: the last try made progress.
   *
   * @throws JobistemerError `STORAGE_BUSY`, `STORAGE_UNREACHABLE` if the pauses have reached their limit
   */
  async #wait(operation: string, cause: unknown, pauses: Pauses | null): Promise<void> {
    if (pauses === null) return await pause(firstPauseMs)
    const { retryTimeoutMs, limit, leftMs = () => retryTimeoutMs } = this.#options
    const acceptsWrites = this.#base.#writtenAt > pauses.begunAt - acceptedMs
    const longestMs = this === this.brief && acceptsWrites ? Math.min(longestPauseMs, retryTimeoutMs) : retryTimeoutMs
    if (leftMs() > 0 && (await pauses.next(longestMs))) return
    const error = busyError(this.tableName, operation, cause, limit)
    if (acceptsWrites) partialAnswers.set(error, [])
    throw error
  }
}

type Command<In extends ServiceInputTypes, Out extends ServiceOutputTypes> = $Command<
  In,
  Out,
  DynamoDBClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>

/** Items that were read from the table, by their keys. */
export class FoundItems {
  readonly #items: Map<string, Item> = new Map()

  add(item: Item): void {
    this.#items.set(nameOf(keyOf(item)), item)
  }

  remove(key: Key): void {
    this.#items.delete(nameOf(key))
  }

  get(key: Key): Item | null {
    return this.#items.get(nameOf(key)) ?? null
  }
}

/** Returns the `Date` header of an answer. */
function dateOf(response: unknown): string | undefined {
  const { headers } = response as { readonly headers?: Readonly<Record<string, string>> }
  return headers?.date ?? headers?.Date
}

function nameOf({ pk, sk }: Key): string {
  return `${pk} ${sk}`
}

/**
 * Returns the item that made the condition of a write fail; `null` if the item does not exist.
 *
 * @throws the given error if it is not the error of a failed condition
 */
function foundBy(error: unknown): Item | null {
  if (!isContention(error)) throw error
  return (error as { readonly Item?: Item }).Item ?? null
}

const firstPauseMs = 25
/** Longest pause, and limit for the sum of the pauses of one request of {@link Requests.brief}, in ms. */
const longestPauseMs = 2000

/**
 * Pauses between the tries of one request. Each pause is twice as long as the previous one, up to 2 s and with jitter, until
 * the sum of the pauses reaches the limit.
 */
export class Pauses {
  /** Monotonic time of the first try. */
  readonly begunAt: number = systemClock.monotonic()
  #pausedMs = 0
  #tries = 0

  /** Waits for the next pause. Returns false without waiting if the sum of the pauses has reached the limit. */
  async next(limitMs: number): Promise<boolean> {
    if (this.#pausedMs >= limitMs) return false
    const longest = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#tries++, 10))
    // Waits at least half of the full pause, to relieve the table. The jitter keeps nodes from retrying at the same moment.
    const pauseMs = Math.ceil(longest * (0.5 + random() / 2))
    this.#pausedMs += pauseMs
    await pause(pauseMs)
    return true
  }
}

/** Settles as the answer, or rejects when the signal fires. The client ignores its signal while it waits for credentials. */
async function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
    // Stops listening after the answer, because Node.js keeps a signal that has listeners until it fires.
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

export async function pause(delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => systemClock.setTimer(delayMs, resolve))
}
