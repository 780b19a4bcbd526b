import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'

/** Name of the DynamoDB table that all nodes of a benchmark use. */
const tableName = 'benchmark'

/** Opens the storage of an address: a Redis (`redis:`), a DynamoDB Local (`http:`), or otherwise a SQLite file. */
export async function openStorage(address: string, prefix = 'benchmark'): Promise<Storage> {
  if (address.startsWith('redis:')) return redisStorage({ url: address, prefix })
  if (!address.startsWith('http:')) return sqliteStorage({ file: `${address}-${prefix}` })
  // The module is imported only here, because the DynamoDB client loads slowly and other storages do not need it.
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

/** Creates the DynamoDB table that {@link openStorage} uses. */
export async function createDynamoDBTable(endpoint: string): Promise<void> {
  const { createTable } = await import('@jobistemer/storage-dynamodb')
  const client = await clientOf(endpoint)
  await createTable({ client, tableName })
  client.destroy()
}

async function clientOf(endpoint: string) {
  // Silences the AWS client's warnings about future Node.js requirements.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
  // DynamoDB Local accepts any credentials.
  const credentials = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark' }
  return new DynamoDBClient({ endpoint, region: 'local', credentials })
}
