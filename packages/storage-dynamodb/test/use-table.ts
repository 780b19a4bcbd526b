import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type DynamoDBServer, startDynamoDB } from '@jobistemer/test-servers'
import { afterAll, beforeAll } from 'vitest'
import { createTable } from '../src/index.ts'
import { localClient } from './local-client.ts'

/** A server in memory with one table, for the tests of a file; hands over a client to it, which ends with the tests. */
export function useTable(tableName: string, onReady: (client: DynamoDBClient) => void): void {
  let server: DynamoDBServer | undefined
  let client: DynamoDBClient | undefined

  beforeAll(async () => {
    server = await startDynamoDB({ data: 'memory' })
    client = localClient(server)
    await createTable({ client, tableName })
    onReady(client)
  })

  afterAll(async () => {
    client?.destroy()
    await server?.stop()
  })
}
