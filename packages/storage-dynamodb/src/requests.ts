import { randomUUID } from 'node:crypto'
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
import { type Item, text } from './attributes.ts'
import { busyError, closedError, isContention, isOverload, noDate, storageError } from './dynamodb-errors.ts'
import { type Key, keyItem, keyOf } from './keys.ts'
import type { ReadOptions } from './options.ts'
import { Pauses } from './pauses.ts'

/** The items in groups of this size. */
export function groupsOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, group) => items.slice(group * size, (group + 1) * size))
}

/** A query, on the table of the storage. */
export type QueryInput = Omit<QueryCommandInput, 'TableName'>

/** A consistent query of one partition, optionally between two sort keys, both included. */
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

/** How requests are repeated. */
export interface RequestOptions extends Omit<ReadOptions, 'prefix'> {
  /** The option that gives DynamoDB more time, for messages. Default: `retryTimeout`. */
  readonly limit?: 'retryTimeout' | 'timeout'
  /** The time that is left for all requests together. Default: no limit. */
  readonly leftMs?: () => number
}

/** What a conditional update came to, with the item as it was before. */
export type UpdateOutcome =
  | { readonly written: true; readonly before: Item }
  | { readonly written: false; readonly found: Item | null }

/** The most items of one transaction. */
export const transactionLimit = 100

/** The most bytes of one transaction: below DynamoDB's 4 MB, as its count is not known to the byte. */
export const transactionBytes = 3_500_000

const readLimit = 100
/** Of reads of very many items: other calls need sockets too, and the table room. */
const groupsAtOnce = 8
const deleteLimit = 25
/** Time that a request has at least if the time for all requests is limited, in ms. */
const leastRequestMs = 1000

/** Requests to the table: repeated while DynamoDB is overloaded or out of reach, and failing with coded errors. */
export class Requests {
  readonly #tableName: string
  readonly #options: RequestOptions
  #closed = false

  constructor(options: RequestOptions) {
    this.#tableName = options.tableName
    this.#options = options
  }

  get tableName(): string {
    return this.#tableName
  }

  /** @throws JobistemerError `STORAGE_CLOSED` */
  assertOpen(): void {
    if (this.#closed) throw closedError(this.#tableName)
  }

  close(): void {
    this.#closed = true
  }

  /** Reads one item, consistently. */
  async get(key: Key): Promise<Item | null> {
    const input = { TableName: this.#tableName, Key: keyItem(key), ConsistentRead: true }
    const { Item: item } = await this.send('GetItem', new GetItemCommand(input))
    return item ?? null
  }

  /**
   * DynamoDB's clock in epoch milliseconds, by the date of an answer: whole seconds. What it asks for does not exist,
   * and need not be read consistently, so that it costs half a unit.
   */
  async time(key: Key): Promise<number> {
    const command = new GetItemCommand({ TableName: this.#tableName, Key: keyItem(key) })
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
    if (Number.isNaN(time)) throw noDate(this.#tableName, date)
    return time
  }

  /** Reads items, consistently; each by itself. Absent ones are absent from the answer. */
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
    const pauses = new Pauses(this.#options)
    let wanted: Item[] = keys.map(keyItem)
    while (wanted.length > 0) {
      const request = { [this.#tableName]: { Keys: wanted, ConsistentRead: true } }
      const answer = await this.send('BatchGetItem', new BatchGetItemCommand({ RequestItems: request }))
      for (const item of answer.Responses?.[this.#tableName] ?? []) found.add(item)
      // A part is left out when the answer gets too large (which is no failure) or when the table is overloaded.
      const left = answer.UnprocessedKeys?.[this.#tableName]?.Keys ?? []
      if (left.length === wanted.length && !(await pauses.next()))
        throw busyError(this.#tableName, 'BatchGetItem', null)
      wanted = left
    }
  }

  /** One page of a query. */
  async query(input: QueryInput): Promise<{ items: readonly Item[]; last: Item | null }> {
    const answer = await this.send('Query', new QueryCommand({ TableName: this.#tableName, ...input }))
    return { items: answer.Items ?? [], last: answer.LastEvaluatedKey ?? null }
  }

  /** All pages of a query, item by item. */
  async *queryAll(input: QueryInput): AsyncGenerator<Item, void, undefined> {
    let start: Item | null = null
    do {
      const page: { items: readonly Item[]; last: Item | null } = await this.query(
        start === null ? input : { ...input, ExclusiveStartKey: start },
      )
      yield* page.items
      start = page.last
    } while (start !== null)
  }

  /** How many items a query finds. */
  async count(input: QueryInput): Promise<number> {
    let count = 0
    let start: Item | undefined
    do {
      const query = { TableName: this.#tableName, ...input, Select: 'COUNT', ExclusiveStartKey: start } as const
      const answer = await this.send('Query', new QueryCommand(query))
      count += answer.Count ?? 0
      start = answer.LastEvaluatedKey
    } while (start !== undefined)
    return count
  }

  /** Writes all or nothing. Answers false when a condition did not hold, or another transaction was in the way. */
  async transact(writes: readonly TransactWriteItem[]): Promise<boolean> {
    // The token makes a repetition whose first answer got lost answer as the first did, for ten minutes.
    const input = { TransactItems: [...writes], ClientRequestToken: randomUUID() }
    return await this.#conditional('TransactWriteItems', new TransactWriteItemsCommand(input))
  }

  /** Updates one item. A condition is needed: an update would create an item that is absent. */
  async update(input: Omit<UpdateItemCommandInput, 'TableName'>): Promise<UpdateOutcome> {
    const request: UpdateItemCommandInput = {
      TableName: this.#tableName,
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

  /** Writes one item; false when the condition does not hold. */
  async put(input: Omit<PutItemCommandInput, 'TableName'>): Promise<boolean> {
    return await this.#conditional('PutItem', new PutItemCommand({ TableName: this.#tableName, ...input }))
  }

  /** Deletes one item; false when the condition does not hold. */
  async delete(input: Omit<DeleteItemCommandInput, 'TableName'>): Promise<boolean> {
    return await this.#conditional('DeleteItem', new DeleteItemCommand({ TableName: this.#tableName, ...input }))
  }

  /** Deletes items, in any order and each by itself. */
  async deleteAll(keys: readonly Key[]): Promise<void> {
    await Promise.all(groupsOf(keys, deleteLimit).map((group) => this.#deleteGroup(group)))
  }

  async #deleteGroup(keys: readonly Key[]): Promise<void> {
    const pauses = new Pauses(this.#options)
    let wanted = keys.map((key) => ({ DeleteRequest: { Key: keyItem(key) } }))
    while (wanted.length > 0) {
      const request = { [this.#tableName]: wanted }
      const answer = await this.send('BatchWriteItem', new BatchWriteItemCommand({ RequestItems: request }))
      const left = answer.UnprocessedItems?.[this.#tableName] ?? []
      if (left.length > 0 && !(await pauses.next())) throw busyError(this.#tableName, 'BatchWriteItem', null)
      wanted = left as typeof wanted
    }
  }

  async #conditional<In extends ServiceInputTypes, Out extends ServiceOutputTypes>(
    operation: string,
    command: Command<In, Out>,
  ): Promise<boolean> {
    try {
      await this.send(operation, command)
      return true
    } catch (error) {
      foundBy(error)
      return false
    }
  }

  /** Repeats a request until the table answers. @throws conflicts (see {@link isContention}) unchanged, else a coded error */
  async send<In extends ServiceInputTypes, Out extends ServiceOutputTypes>(
    operation: string,
    command: Command<In, Out>,
  ): Promise<Out> {
    const { client, requestTimeoutMs, limit = 'retryTimeout', leftMs = () => requestTimeoutMs } = this.#options
    const pauses = new Pauses(this.#options)
    for (;;) {
      this.assertOpen()
      try {
        const limitMs = Math.min(requestTimeoutMs, Math.max(leftMs(), leastRequestMs))
        return await client.send(command, { abortSignal: AbortSignal.timeout(Math.ceil(limitMs)) })
      } catch (error) {
        if (isContention(error)) throw error
        if (!isOverload(error)) throw storageError(error, this.#tableName)
        if (leftMs() <= 0 || !(await pauses.next())) throw busyError(this.#tableName, operation, error, limit)
      }
    }
  }
}

type Command<In extends ServiceInputTypes, Out extends ServiceOutputTypes> = $Command<
  In,
  Out,
  DynamoDBClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>

/** The items that a step has read, by their keys. */
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

/** The header `Date` of an answer. */
function dateOf(response: unknown): string | undefined {
  const { headers } = response as { readonly headers?: Readonly<Record<string, string>> }
  return headers?.date ?? headers?.Date
}

function nameOf({ pk, sk }: Key): string {
  return `${pk} ${sk}`
}

/** What a write that was refused found. @throws the error when it is another one */
function foundBy(error: unknown): Item | null {
  if (!isContention(error)) throw error
  return (error as { readonly Item?: Item }).Item ?? null
}
