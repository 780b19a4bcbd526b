import { overrideMethods } from '../support/override-methods.ts'
import { ProxiedServer } from './proxied-server.ts'
import type { StorageKind } from './storage-kind.ts'

const tableName = 'torture'

/** DynamoDB Local behind a proxy, with its data on disk. It takes any credentials. */
export const dynamodb: StorageKind = {
  usualSkewMinutes: 5,
  secondsPerKill: 1.5,
  slowdown: 3,
  intervals: { pollInterval: 500, reapInterval: 1000, definitionInterval: 1000 },
  async prepare() {
    const { startDynamoDB, startTcpProxy } = await import('@jobistemer/test-servers')
    const { createTable } = await import('@jobistemer/storage-dynamodb')
    const database = await startDynamoDB({ data: 'disk' })
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: database.port })
    const server = new ProxiedServer([{ server: database, proxy }])
    try {
      const location = `http://${proxy.host}:${proxy.port}`
      const client = await clientOf(location)
      await createTable({ client, tableName })
      client.destroy()
      return { location, server, stop: () => server.stop() }
    } catch (error) {
      await server.stop()
      throw error
    }
  },
  async open(location) {
    const { dynamodbStorage } = await import('@jobistemer/storage-dynamodb')
    const client = await clientOf(location)
    const storage = dynamodbStorage({ client, tableName })
    return overrideMethods(storage, {
      async close() {
        await storage.close()
        client.destroy()
      },
    })
  },
}

async function clientOf(endpoint: string) {
  const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
  return new DynamoDBClient({
    endpoint,
    region: 'local',
    credentials: { accessKeyId: 'torture', secretAccessKey: 'torture' },
  })
}
