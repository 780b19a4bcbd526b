import { storageConformance } from '@jobistemer/storage-conformance'
import { afterAll, beforeAll, describe, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { damage } from './damage.ts'
import { localClient } from './local-client.ts'
import { kitEffort } from '../../workspace/test-effort.ts'

const tableName = 'conformance'
const client = localClient(inject('dynamodb'))
let worlds = 0

beforeAll(async () => {
  await createTable({ client, tableName })
})

afterAll(() => client.destroy())

storageConformance({
  describe,
  it,
  name: 'dynamodb',
  capabilities: { multiProcess: true, durability: 'power', serverTime: true, damage: true },
  // DynamoDB Local handles some hundred requests per second, and uses a whole core for them. So the kit runs here with fewer
  // rounds, but with its usual number of connections and processes. With fewer of them, requests would overlap less often.
  // bad-days.test.ts runs a soak with another seed.
  ...kitEffort(0.05),
  open() {
    // All test storages share a table under different prefixes, so every case also shows that namespaces do not see each
    // other.
    const prefix = `world-${++worlds}`
    const { endpoint } = inject('dynamodb')
    return {
      connect: async () => dynamodbStorage({ client, tableName, prefix }),
      dispose: async () => {},
      damage: (damaged) => damage(client, { tableName, prefix }, damaged),
      processes: {
        module: new URL('./fixtures/connect.mjs', import.meta.url),
        argument: { endpoint, tableName, prefix },
      },
    }
  },
})
