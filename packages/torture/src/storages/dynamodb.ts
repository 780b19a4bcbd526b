import { wrapStorage } from '@jobistemer/core/testing'
import { sleep } from '../support/sleep.ts'
import { ProxiedServer } from './proxied-server.ts'
import type { StorageKind } from './storage-kind.ts'

const tableName = 'torture'

// Delay before DynamoDB Local is killed, in ms. Unlike the real DynamoDB, DynamoDB Local acknowledges writes before
// they are on disk. So an earlier kill could lose acknowledged writes.
const writtenAfterMs = 2000

/** DynamoDB Local behind a proxy, with its data on disk. DynamoDB Local accepts any credentials. */
export const dynamodb: StorageKind = {
  usualSkewMinutes: 5,
  secondsPerKill: 1.5,
  slowdown: 4,
  intervals: { pollInterval: 1000, deadAfter: 6000 },
  async prepare() {
    const { startDynamoDB, startTcpProxy } = await import('@jobistemer/test-servers')
    const { createTable } = await import('@jobistemer/storage-dynamodb')
    const database = await startDynamoDB({ data: 'disk' })
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: database.port })
    const killed = {
      stop: () => database.stop(),
      async kill() {
        proxy.cut()
        await sleep(writtenAfterMs)
        await database.kill()
      },
      async restart() {
        await database.restart()
        proxy.heal()
      },
    }
    const server = new ProxiedServer([{ server: killed, proxy }])
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
    return wrapStorage(storage, {
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
