import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'

/** A client of a DynamoDB Local, which takes any credentials. */
export function localClient(
  { endpoint }: { readonly endpoint: string },
  config: DynamoDBClientConfig = {},
): DynamoDBClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new DynamoDBClient({ endpoint, region: 'local', credentials, ...config })
}
