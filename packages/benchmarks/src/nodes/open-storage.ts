import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'

/** In DynamoDB all nodes of a benchmark use one table. */
const tableName = 'benchmark'

/** Opens what an address stands for: a Redis (`redis:`), a DynamoDB Local (`http:`), or else the file of an SQLite. */
export async function openStorage(address: string, prefix = 'benchmark'): Promise<Storage> {
  if (address.startsWith('redis:')) return redisStorage({ url: address, prefix })
  if (!address.startsWith('http:')) return sqliteStorage({ file: `${address}-${prefix}` })
  // Only here: it takes long to load.
  const { dynamodbStorage } = await import('@jobistemer/storage-dynamodb')
  const client = await clientOf(address)
  const storage = dynamodbStorage({ client, tableName, prefix })
  return wrapStorage(storage, {
    async close() {
      await storage.close()
      client.destroy()
    },
  })
}

/** Makes the table that {@link openStorage} uses. */
export async function createDynamoDBTable(endpoint: string): Promise<void> {
  const { createTable } = await import('@jobistemer/storage-dynamodb')
  const client = await clientOf(endpoint)
  await createTable({ client, tableName })
  client.destroy()
}

async function clientOf(endpoint: string) {
  // It warns of what its versions to come will need.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
  // DynamoDB Local takes any.
  const credentials = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark' }
  return new DynamoDBClient({ endpoint, region: 'local', credentials })
}
