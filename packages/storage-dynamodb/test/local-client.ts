import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'

const authorization = [
  'AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request',
  'SignedHeaders=host',
  'Signature=0',
].join(', ')

// DynamoDB Local requires the headers of a signature, but does not check the signature. Signing a request would take a
// fifth of the client's processor time.
const unsigned: NonNullable<DynamoDBClientConfig['signer']> = {
  sign: async (request) => ({
    ...request,
    headers: { ...request.headers, authorization, 'x-amz-date': '20260101T000000Z' },
  }),
}

/** Returns a client for DynamoDB Local, which accepts any credentials. */
export function localClient(
  { endpoint }: { readonly endpoint: string },
  config: DynamoDBClientConfig = {},
): DynamoDBClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new DynamoDBClient({ endpoint, region: 'local', credentials, signer: unsigned, ...config })
}
