import {
  type AttributeValue,
  type BatchGetItemCommandInput,
  type BatchWriteItemCommandInput,
  type ConsumedCapacity,
  type DynamoDBClient,
  GetItemCommand,
  type GetItemCommandInput,
  type PutItemCommandInput,
  type QueryCommandInput,
  type QueryCommandOutput,
  type TransactWriteItemsCommandInput,
} from '@aws-sdk/client-dynamodb'
import { sizeOf } from '../src/attributes.ts'
import { localClient } from './local-client.ts'

type Item = Record<string, AttributeValue>

/** The DynamoDB request units that calls have consumed, by DynamoDB's published rules. */
export interface Usage {
  /** Write request units of the table: one per started kilobyte of an item, two in a transaction. */
  tableWrites: number
  /** Write request units of the indexes: one for each entry that is put or removed. */
  indexWrites: number
  /**
   * Read request units: one per started 4 KB of a consistent read, half a unit for an index read. An empty result
   * counts as 4 KB.
   */
  reads: number
  writeRequests: number
  readRequests: number
}

export interface Meter {
  readonly client: DynamoDBClient
  /** The request units of writes outside of transactions, as reported by DynamoDB Local and as counted by this client. */
  readonly plainWrites: { reported: number; counted: number }
  measure(calls: () => Promise<unknown>): Promise<Usage>
}

const writing = /^(Put|Update|Delete|BatchWrite|TransactWrite)/

/**
 * Returns a client that counts the DynamoDB request units of its requests.
 *
 * DynamoDB Local reports the units of plain requests correctly. For a transaction, it reports the units of only one item, and
 * twice the units of an index. So this client computes the units of each write from the items before and after the write. A
 * test compares both counts of plain writes, which are in `plainWrites`.
 */
export function meteredClient(server: { readonly endpoint: string }): Meter {
  const client = localClient(server)
  const observer = localClient(server)
  const nothing = (): Usage => ({ tableWrites: 0, indexWrites: 0, reads: 0, writeRequests: 0, readRequests: 0 })
  const plainWrites = { reported: 0, counted: 0 }
  let usage = nothing()
  let isMeasuring = false

  async function read(TableName: string | undefined, Key: Item | undefined): Promise<Item | undefined> {
    return (await observer.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }))).Item
  }

  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const command = commandName.replace('Command', '')
        const isWrite = writing.test(command)
        const isTransaction = command === 'TransactWriteItems'
        // Plain writes are always counted, for `plainWrites`. Counting a transaction takes two further reads for each item.
        if (!isMeasuring && (!isWrite || isTransaction)) return await next(args)
        const keys = isWrite ? writtenKeys(command, args.input) : []
        const before = await Promise.all(keys.map(({ table, key }) => read(table, key)))
        const result = await next({
          ...args,
          input: { ...(args.input as object), ReturnConsumedCapacity: 'INDEXES' },
        } as typeof args)
        if (isWrite) {
          usage.writeRequests++
          const after = await Promise.all(keys.map(({ table, key }) => read(table, key)))
          const table = sum(keys, (_, index) => blocks(Math.max(size(before[index]), size(after[index])), 1024))
          const index = sum(keys, (_, place) => indexUnits(before[place], after[place]))
          usage.tableWrites += isTransaction ? 2 * table : table
          usage.indexWrites += index
          if (!isTransaction) {
            const { ConsumedCapacity: consumed } = result.output as {
              ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[]
            }
            plainWrites.counted += table + index
            for (const { CapacityUnits: units = 0 } of [consumed ?? []].flat()) plainWrites.reported += units
          }
        } else if (command !== 'CreateTable' && command !== 'DescribeTable') {
          usage.readRequests++
          // Other requests may change `usage.reads` during this `await`. With `usage.reads += await …`, JavaScript would read
          // the old value before the `await`, and lose these changes.
          const units = await readUnits(command, args.input, result.output, read)
          usage.reads += units
        }
        return result
      },
    { step: 'initialize', name: 'meter' },
  )
  return {
    client,
    plainWrites,
    async measure(calls) {
      usage = nothing()
      isMeasuring = true
      await calls().finally(() => {
        isMeasuring = false
      })
      return usage
    },
  }
}

interface WrittenKey {
  readonly table: string | undefined
  readonly key: Item
}

function writtenKeys(command: string, input: unknown): readonly WrittenKey[] {
  if (command === 'TransactWriteItems') {
    const { TransactItems: items = [] } = input as TransactWriteItemsCommandInput
    return items.flatMap(({ Put: put, Update: update, Delete: remove, ConditionCheck: check }) => {
      const one = put ?? update ?? remove ?? check
      return one === undefined ? [] : writtenKeys('one', one)
    })
  }
  if (command === 'BatchWriteItem') {
    const { RequestItems: tables = {} } = input as BatchWriteItemCommandInput
    return Object.entries(tables).flatMap(([table, requests]) =>
      requests.map(({ DeleteRequest: request }) => ({ table, key: request?.Key ?? {} })),
    )
  }
  const { TableName: table, Key, Item: item } = input as PutItemCommandInput & { readonly Key?: Item }
  return [{ table, key: Key ?? keyOf(item) }]
}

function keyOf({ pk, sk }: Item = {}): Item {
  return { pk: pk as AttributeValue, sk: sk as AttributeValue }
}

function indexUnits(before: Item | undefined, after: Item | undefined): number {
  return unitsOf(before, after, ['lp', 'lo']) + unitsOf(before, after, ['fp', 'fo'])
}

function unitsOf(
  before: Item | undefined,
  after: Item | undefined,
  [partition, order]: readonly [string, string],
): number {
  const place = (item: Item | undefined) =>
    item?.[partition] === undefined ? null : `${item[partition].S} ${item[order]?.N ?? item[order]?.S}`
  if (place(before) === place(after)) return 0
  return (place(before) === null ? 0 : 1) + (place(after) === null ? 0 : 1)
}

async function readUnits(
  command: string,
  input: unknown,
  output: unknown,
  read: (table: string | undefined, key: Item | undefined) => Promise<Item | undefined>,
): Promise<number> {
  if (command === 'Query') {
    const { ConsistentRead: isConsistent } = input as QueryCommandInput
    const found = sum((output as QueryCommandOutput).Items ?? [], size)
    return blocks(found, 4096) * (isConsistent ? 1 : 0.5)
  }
  if (command === 'BatchGetItem') {
    let units = 0
    for (const [table, { Keys: keys = [] }] of Object.entries((input as BatchGetItemCommandInput).RequestItems ?? {})) {
      const items = await Promise.all(keys.map((key) => read(table, key)))
      units += sum(items, (item) => blocks(size(item), 4096))
    }
    return units
  }
  const { TableName: table, Key: key } = input as GetItemCommandInput
  return blocks(size(await read(table, key)), 4096)
}

function size(item: Item | undefined): number {
  return item === undefined ? 0 : sizeOf(item)
}

function blocks(bytes: number, block: number): number {
  return Math.max(1, Math.ceil(bytes / block))
}

function sum<Value>(values: readonly Value[], of: (value: Value, index: number) => number): number {
  return values.reduce((total, value, index) => total + of(value, index), 0)
}
