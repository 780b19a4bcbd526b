import { type DynamoDBClient, GetItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb'
import { JobistemerError } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { beforeEach, expect, it } from 'vitest'
import { number, numberOf, text } from '../src/attributes.ts'
import { storageOfForm } from '../src/dynamodb-storage.ts'
import { currentForm, type Form, type Migration } from '../src/form.ts'
import { jobOfKeyText } from '../src/keys.ts'
import { keyOf } from '../src/keys.ts'
import { keyItem } from '../src/keys.ts'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { useTable } from './use-table.ts'

const tableName = 'forms'
const jobCount = 7

let client: DynamoDBClient
let prefix: string
let tests = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(async () => {
  prefix = `test-${++tests}`
  const storage = open(currentForm)
  for (let index = 0; index < jobCount; index++) await addJob(storage, `job-${index}`)
})

function open(form: Form, by: Pick<DynamoDBClient, 'send'> = client): Storage {
  return storageOfForm({ client: by, tableName, prefix }, form)
}

/** A made-up migration: each registry entry gets a rank, three jobs per piece. */
const addRanks: Migration = async ({ requests, keys }, cursor) => {
  const { items, last } = await requests.query({
    KeyConditionExpression: 'pk = :pk AND begins_with(sk, :id)',
    ExpressionAttributeValues: { ':pk': text(keys.registry), ':id': text('id/') },
    ConsistentRead: true,
    Limit: 3,
    ...(cursor !== null && { ExclusiveStartKey: keyItem(keys.registered(jobOfKeyText(cursor))) }),
  })
  for (const item of items) {
    await requests.update({
      Key: keyItem(keyOf(item)),
      UpdateExpression: 'SET rk = :one ADD ranked :one',
      ConditionExpression: 'attribute_exists(pk) AND attribute_not_exists(rk)',
      ExpressionAttributeValues: { ':one': number(1) },
    })
  }
  return last === null ? null : keyOf(last).sk
}

/** A second made-up migration, which ends after one piece. */
const raiseRanks: Migration = async ({ requests, keys }) => {
  const query = {
    KeyConditionExpression: 'pk = :pk AND begins_with(sk, :id)',
    ExpressionAttributeValues: { ':pk': text(keys.registry), ':id': text('id/') },
    ConsistentRead: true,
  }
  for await (const item of requests.queryAll(query)) {
    await requests.update({
      Key: keyItem(keyOf(item)),
      UpdateExpression: 'SET rk = :two',
      ConditionExpression: 'rk = :one',
      ExpressionAttributeValues: { ':one': number(1), ':two': number(2) },
    })
  }
  return null
}

const { version } = currentForm
const nextForm: Form = { version: version + 1, migrations: { ...currentForm.migrations, [version]: addRanks } }
const formAfterNext: Form = {
  version: version + 2,
  migrations: { ...nextForm.migrations, [version + 1]: raiseRanks },
}

async function ranks(): Promise<readonly (readonly [rank: number, ranked: number])[]> {
  const { Items: items = [] } = await client.send(new ScanCommand({ TableName: tableName, ConsistentRead: true }))
  return items
    .filter(({ pk, sk }) => pk?.S === `${prefix}:jobs` && sk?.S?.startsWith('id/'))
    .map((item) => [numberOf(item, 'rk'), numberOf(item, 'ranked')])
}

async function markedVersion(): Promise<number> {
  const Key = { pk: text(`${prefix}:form`), sk: text('form') }
  const { Item: item = {} } = await client.send(new GetItemCommand({ TableName: tableName, Key, ConsistentRead: true }))
  return numberOf(item, 'n')
}

const look = { limit: 100, cursor: null } as const
const rankedOnce = (rank: number) => Array.from({ length: jobCount }, () => [rank, 1])

it('opening DynamoDB data that have an older stored form migrates the data, and keeps their contents', async () => {
  const storage = open(nextForm)
  expect((await storage.listJobs(look)).items).toHaveLength(jobCount)
  expect(await ranks()).toEqual(rankedOnce(1))
  expect(await markedVersion()).toBe(nextForm.version)
  const job = await addJob(storage, 'job-0')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
  const answers = await storage.settle({ now: slotAt(1), items: [finishItem(job.id, 1)] })
  expect(answers).toMatchObject([{ outcome: 'ok' }])
})

it('a storage runs the migrations from the stored form of the data to its own form one after the other', async () => {
  await open(formAfterNext).listJobs(look)
  expect(await ranks()).toEqual(rankedOnce(2))
  expect(await markedVersion()).toBe(formAfterNext.version)
})

it('several nodes that concurrently open DynamoDB data of an older form migrate the data once', async () => {
  const nodes = Array.from({ length: 8 }, () => open(formAfterNext))
  const pages = await Promise.all(nodes.map((node) => node.listJobs(look)))
  expect(pages.map(({ items }) => items.length)).toEqual(nodes.map(() => jobCount))
  expect(await ranks()).toEqual(rankedOnce(2))
})

it.each([1, 2, 3, 5, 8])('a migration whose node dies after %i writes is completed by the next node', async (most) => {
  let writes = 0
  const send = async (command: object, options: object): Promise<unknown> => {
    if (/^(Put|Update)/.test(command.constructor.name) && ++writes > most) throw new Error('the process is dead')
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  const dying = open(nextForm, { send: send as unknown as DynamoDBClient['send'] })
  await expect(dying.listJobs(look)).rejects.toThrow('the process is dead')
  // A version that knows only the older form must not open data that are half migrated.
  await expect(open(currentForm).listJobs(look)).rejects.toMatchObject({ code: 'STORAGE_SCHEMA_NEWER' })
  expect((await open(nextForm).listJobs(look)).items).toHaveLength(jobCount)
  expect(await ranks()).toEqual(rankedOnce(1))
})

it('DynamoDB data that have a newer stored form are refused and not changed', async () => {
  await open(nextForm).listJobs(look)
  const error = await open(currentForm)
    .listJobs(look)
    .catch((reason: unknown) => reason)
  expect(JobistemerError.isInstance(error) && [error.code, error.field, error.value]).toEqual([
    'STORAGE_SCHEMA_NEWER',
    'tableName',
    tableName,
  ])
  expect(await markedVersion()).toBe(nextForm.version)
})

it('a new namespace in DynamoDB gets the stored form of the storage that opens the namespace first', async () => {
  prefix = `new-${tests}`
  await Promise.all([open(formAfterNext).listJobs(look), open(formAfterNext).listJobs(look)])
  expect(await markedVersion()).toBe(formAfterNext.version)
  await expect(open(nextForm).listJobs(look)).rejects.toMatchObject({ code: 'STORAGE_SCHEMA_NEWER' })
})

it('a migration continues where the previous attempt stopped', async () => {
  const cursors: (string | null)[] = []
  const watched: Form = {
    ...nextForm,
    migrations: {
      [version]: async (table, cursor) => {
        cursors.push(cursor)
        if (cursors.length === 2) throw new Error('the process is dead')
        return await addRanks(table, cursor)
      },
    },
  }
  await expect(open(watched).listJobs(look)).rejects.toThrow('the process is dead')
  await open(watched).listJobs(look)
  expect(cursors).toEqual([null, cursors[1], cursors[1], cursors[3]])
  expect(new Set(cursors).size).toBe(3)
})
