import { storageConformance } from '@jobistemer/storage-conformance'
import { type DynamoDBServer, startDynamoDB } from '@jobistemer/test-servers'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { localClient } from './local-client.ts'

const tableName = 'conformance'
let server: DynamoDBServer
let worlds = 0

beforeAll(async () => {
  server = await startDynamoDB({ data: 'memory' })
  const client = localClient(server)
  await createTable({ client, tableName })
  client.destroy()
})

afterAll(async () => {
  await server?.stop()
})

storageConformance({
  describe,
  it,
  name: 'dynamodb',
  capabilities: { multiProcess: true, durability: 'power', serverTime: true },
  // DynamoDB Local takes some hundred requests a second, and all of a core for them: as many connections and processes as
  // elsewhere meet half as often. JOBISTEMER_CONFORMANCE_SCALE sets it for a night. Another seed is in bad-days.test.ts.
  scale: 0.5,
  seeds: [1],
  open() {
    // Worlds share a table, so that every case also shows that namespaces do not see each other.
    const prefix = `world-${++worlds}`
    const client = localClient(server)
    return {
      connect: async () => dynamodbStorage({ client, tableName, prefix }),
      dispose: async () => client.destroy(),
      processes: {
        module: new URL('./fixtures/connect.mjs', import.meta.url),
        argument: { endpoint: server.endpoint, tableName, prefix },
      },
    }
  },
})
