import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { createClient } from '@jobistemer/core'
import { clientTrial } from '@jobistemer/test-kit'
import { startTcpProxy } from '@jobistemer/test-servers'
import { expect, inject, it, onTestFinished } from 'vitest'
import { dynamodbStorage } from '../src/index.ts'
import { localClient } from './local-client.ts'
import { useTable } from './use-table.ts'

const tableName = 'clients'
let dynamodb: DynamoDBClient

useTable(tableName, (made) => {
  dynamodb = made
})

it('a client without code performs every operation on jobs that another process runs', async () => {
  const prefix = 'trial'
  const module = new URL('./fixtures/connect.mjs', import.meta.url)
  const argument = { ...inject('dynamodb'), tableName, prefix }
  const connect = () => dynamodbStorage({ client: dynamodb, tableName, prefix })
  await expect(clientTrial({ module, argument, connect })).resolves.toBeUndefined()
})

it('a client that cannot reach its table rejects calls within their timeout, and works once it can reach the table', async () => {
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(inject('dynamodb').endpoint).port) })
  onTestFinished(() => proxy.close())
  const remote = localClient({ endpoint: `http://${proxy.host}:${proxy.port}` }, { maxAttempts: 1 })
  onTestFinished(() => remote.destroy())
  const client = createClient({
    storage: dynamodbStorage({ client: remote, tableName, prefix: 'away' }),
    callTimeout: 500,
  })
  onTestFinished(() => client.close())
  proxy.cut()
  const answers = await Promise.allSettled([client.jobs(), client.trigger('report'), client.nodes()])
  expect(answers).toMatchObject(
    Array.from({ length: 3 }, () => ({ status: 'rejected', reason: { code: expect.stringMatching(/^STORAGE_/) } })),
  )
  proxy.heal()
  await expect.poll(() => client.jobs().catch(() => null), { timeout: 20_000 }).toEqual({ items: [], cursor: null })
})
