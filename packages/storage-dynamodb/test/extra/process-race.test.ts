import { raceForSlots } from '@jobistemer/test-kit'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterEach, beforeEach, inject, it } from 'vitest'
import { byEffort } from '../../../workspace/test-effort.ts'
import { createTable, dynamodbStorage } from '../../src/index.ts'
import { localClient } from '../local-client.ts'

// Number of jobs. Eight processes try to create every slot of these jobs: for each slot, exactly one process succeeds.
const jobCount = 20
// Number of rounds of this race. Eight processes compete in each round. The similar race of the conformance kit has only
// four processes.
const rounds = byEffort(3)

const { endpoint } = inject('dynamodb')
let client: DynamoDBClient

beforeEach(async () => {
  client = localClient({ endpoint })
  await createTable({ client, tableName: 'race' })
})

afterEach(() => client?.destroy())

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, {
  timeout: 600_000,
}, async () => {
  const storage = dynamodbStorage({ client, tableName: 'race' })
  const module = new URL('../fixtures/connect.mjs', import.meta.url)
  const argument = { endpoint, tableName: 'race', prefix: 'jobistemer' }
  await raceForSlots({ storage, module, argument, jobCount, rounds })
})
