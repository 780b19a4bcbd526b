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

/** The head of a job lists its waiting runs, and holds some 15,000. */
const mostLive = 10_000

it('many requests wait for one job, all of them run, and another job has its turn', async () => {
  const count = Math.min(byEffort(120), mostLive)
  await expect(backlogTrial(() => dynamodbStorage({ client, tableName, prefix: 'p' }), count)).resolves.toBeDefined()
}, 120_000)
