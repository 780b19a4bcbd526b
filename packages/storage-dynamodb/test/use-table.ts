import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, inject } from 'vitest'
import { createTable } from '../src/index.ts'
import { localClient } from './local-client.ts'

/** Creates a table for the tests of one test file, and passes its client to `onReady`. Destroys the client after the tests. */
export function useTable(tableName: string, onReady: (client: DynamoDBClient) => void): void {
  let client: DynamoDBClient | undefined

  beforeAll(async () => {
    client = localClient(inject('dynamodb'))
    await createTable({ client, tableName })
    onReady(client)
  })

  afterAll(async () => {
    client?.destroy()
  })
}
