import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { backlogTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { dynamodbStorage } from '../src/index.ts'
import { useTable } from './use-table.ts'

const tableName = 'backlog'
let client: DynamoDBClient

useTable(tableName, (made) => {
  client = made
})

it('a node runs a later request of one job during another job’s backlog, and DynamoDB cancels no transaction', async () => {
  const failures: unknown[] = []
  const failing = new Proxy(client, {
    get(target, name) {
      if (name !== 'send') return Reflect.get(target, name)
      return async (...command: Parameters<DynamoDBClient['send']>) => {
        try {
          return await target.send(...command)
        } catch (error) {
          failures.push((error as Error).name)
          throw error
        }
      }
    },
  })
  const trial = backlogTrial(() => dynamodbStorage({ client: failing, tableName, prefix: 'p' }), byEffort(200))
  await expect(trial).resolves.toBeDefined()
  expect(failures).not.toContain('TransactionCanceledException')
}, 120_000)
