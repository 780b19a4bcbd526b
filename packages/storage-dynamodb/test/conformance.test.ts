import { type DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb'
import { storageConformance } from '@jobistemer/storage-conformance'
import { afterAll, beforeAll, describe, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { damage } from './damage.ts'
import { localClient } from './local-client.ts'
import { isThorough, kitEffort } from '../../workspace/test-effort.ts'

const tableName = 'conformance'
const client = localClient(inject('dynamodb'))
let worlds = 0

// The kit opens about a thousand connections to this table. Each connection checks the table's indexes with two queries, which
// table.test.ts tests. Only the first connection's queries reach the table.
const indexChecks = new Map<string, Promise<unknown>>()
const send = client.send.bind(client) as (command: object, options?: object) => Promise<unknown>

function checkOnce(command: object, options?: object): Promise<unknown> {
  const { IndexName: index, ExpressionAttributeValues: values } = command instanceof QueryCommand ? command.input : {}
  if (isThorough || index === undefined || values?.[':none'] === undefined) return send(command, options)
  const answer = indexChecks.get(index) ?? send(command, options)
  indexChecks.set(index, answer)
  return answer
}

const checkedClient = { send: checkOnce as DynamoDBClient['send'] }

beforeAll(async () => {
  await createTable({ client, tableName })
})

afterAll(() => client.destroy())

// All processes reach DynamoDB in the same way as the connections of one process. So `npm test` runs the kit's races only
// between connections. `npm run test:extra` runs them between processes, too.
const caseTest = (name: string, body: () => Promise<void>, timeoutMs?: number) =>
  !isThorough && name.startsWith('races of processes') ? undefined : it(name, body, timeoutMs)

storageConformance({
  describe,
  it: caseTest,
  name: 'dynamodb',
  capabilities: { multiProcess: true, durability: 'power', serverTime: true, damage: true },
  // DynamoDB Local handles only some hundred requests per second, so the kit runs with fewer rounds. The number of connections
  // is not reduced, so that requests overlap.
  ...kitEffort(0.05, 0.03),
  open() {
    // All test storages share a table under different prefixes, which tests the separation of namespaces.
    const prefix = `world-${++worlds}`
    const { endpoint } = inject('dynamodb')
    return {
      connect: async () => dynamodbStorage({ client: checkedClient, tableName, prefix }),
      dispose: async () => {},
      damage: (damaged) => damage(client, { tableName, prefix }, damaged),
      processes: {
        module: new URL('./fixtures/connect.mjs', import.meta.url),
        argument: { endpoint, tableName, prefix },
      },
    }
  },
})
