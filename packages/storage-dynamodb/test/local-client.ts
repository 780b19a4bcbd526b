import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'

/** Returns a client for DynamoDB Local, which accepts any credentials. */
export function localClient(
  { endpoint }: { readonly endpoint: string },
  config: DynamoDBClientConfig = {},
): DynamoDBClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new DynamoDBClient({ endpoint, region: 'local', credentials, ...config })
}
