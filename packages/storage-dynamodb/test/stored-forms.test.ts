import { type AttributeValue, type DynamoDBClient, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb'
import { storedForms, storedFormTrial } from '@jobistemer/test-kit'
import { expect, inject, it, onTestFinished } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { localClient } from './local-client.ts'

const folder = new URL('./fixtures/stored-forms/', import.meta.url)

/** Returns a copy of an attribute or item in which `change` was applied to each binary value. */
function withBytes(value: unknown, change: (bytes: never) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => withBytes(one, change))
  const parts = Object.entries(value).map(([name, part]) => [
    name,
    name === 'B' ? change(part as never) : withBytes(part, change),
  ])
  return Object.fromEntries(parts)
}

function tableOf(client: DynamoDBClient, tableName: string) {
  return {
    connect: () => dynamodbStorage({ client, tableName }),
    async save() {
      const { Items = [] } = await client.send(new ScanCommand({ TableName: tableName, ConsistentRead: true }))
      return JSON.stringify(withBytes(Items, (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')))
    },
    async load(data: string) {
      const items = withBytes(JSON.parse(data), (text: string) => Buffer.from(text, 'base64'))
      for (const Item of items as Record<string, AttributeValue>[]) {
        await client.send(new PutItemCommand({ TableName: tableName, Item }))
      }
    },
  }
}

it.each(storedForms(folder))('the jobs in a DynamoDB table of Jobistemer %s still run', async (version) => {
  const client = localClient(inject('dynamodb'))
  onTestFinished(() => client.destroy())
  const tables = [`filled by ${version}`, `continued from ${version}`].map((name) => name.replaceAll(' ', '-'))
  for (const tableName of tables) await createTable({ client, tableName })
  const next = () => tableOf(client, tables.pop() ?? '')
  await expect(storedFormTrial(folder, version, next)).resolves.toBeUndefined()
})
