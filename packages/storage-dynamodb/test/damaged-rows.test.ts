import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { damageTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { dynamodbStorage } from '../src/index.ts'
import { damage } from './damage.ts'
import { useTable } from './use-table.ts'
import { isThorough } from '../../workspace/test-effort.ts'

const tableName = 'damaged'
let client: DynamoDBClient

useTable(tableName, (made) => {
  client = made
})

// The conformance kit tests the storage with each of these texts.
it.each(isThorough ? ['garbage', 'null', '[]'] : ['null'])(
  'a node runs all readable jobs although other DynamoDB items contain %s',
  async (text) => {
    const prefix = `text-${text.length}`
    const place = {
      connect: () => dynamodbStorage({ client, tableName, prefix }),
      damage: damage.bind(null, client, { tableName, prefix }),
    }
    await expect(damageTrial(place, text)).resolves.toBeUndefined()
  },
)
