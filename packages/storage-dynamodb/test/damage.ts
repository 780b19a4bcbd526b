import { type DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import type { DamagedText } from '@jobistemer/storage-conformance'
import { Keys } from '../src/keys.ts'
import { names } from '../src/occurrence-item.ts'

/** Overwrites a stored text in the table. A damaged definition makes the whole version unreadable. */
export async function damage(
  client: DynamoDBClient,
  place: { readonly tableName: string; readonly prefix: string },
  damaged: DamagedText,
): Promise<void> {
  const keys = new Keys(place.prefix)
  const isDefinition = damaged.part === 'definition'
  const { pk, sk } = isDefinition ? keys.version(damaged.job, damaged.version) : keys.occurrence(damaged.occurrence)
  await client.send(
    new UpdateItemCommand({
      TableName: place.tableName,
      Key: { pk: { S: pk }, sk: { S: sk } },
      UpdateExpression: 'SET #name = :text',
      ExpressionAttributeNames: { '#name': isDefinition ? 'j' : names.details },
      ExpressionAttributeValues: { ':text': { S: damaged.text } },
    }),
  )
}
