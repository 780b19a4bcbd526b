import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { createTable, dynamodbStorage } from '@jobistemer/storage-dynamodb'
import type { Ledger } from './ledger.ts'
import { refusedServer, withoutPassword } from './user-server.ts'

/** Keeps the ledger in a new table in DynamoDB or DynamoDB Local. */
export const dynamodb: Ledger = {
  async prepare({ folder, server }) {
    if (server !== null) {
      const name = `jobistemer-demo-${randomUUID().slice(0, 8)}`
      try {
        await createTable({ client: clientFor(server), tableName: name })
      } catch (error) {
        throw refusedServer('--dynamodb-endpoint', server, error)
      }
      const description = `at ${withoutPassword(server)}, table ${name}`
      return { location: { address: server, name }, description, stop: async () => {} }
    }
    // Only the demo's own process starts a server. The workers need not load the package that starts servers.
    const { startDynamoDB } = await import('@jobistemer/test-servers')
    const directory = join(folder, 'dynamodb')
    const own = await startDynamoDB({ directory, ownGroup: true })
    const name = 'jobistemer-demo'
    try {
      await createTable({ client: clientFor(own.endpoint), tableName: name })
    } catch (error) {
      await own.stop()
      throw error
    }
    return {
      location: { address: own.endpoint, name },
      description: `process ${own.pid} at ${own.endpoint}, table ${name}, in ${directory}`,
      stop: () => own.stop(),
    }
  },
  open({ address, name }) {
    return dynamodbStorage({ client: clientFor(address), tableName: name })
  },
}

function clientFor(endpoint: string): DynamoDBClient {
  if (endpoint.startsWith('https:')) return new DynamoDBClient({ endpoint })
  // DynamoDB Local accepts any credentials, but requires some.
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new DynamoDBClient({ endpoint, region: 'local', credentials })
}
