import { type DynamoDBServer, startDynamoDB } from '@jobistemer/test-servers'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    readonly dynamodb: { readonly endpoint: string }
  }
}

// One in-memory server for all test files, because starting a server takes as long as many tests.
let server: DynamoDBServer | undefined

export async function setup(project: TestProject): Promise<void> {
  server = await startDynamoDB({ data: 'memory' })
  project.provide('dynamodb', { endpoint: server.endpoint })
}

export async function teardown(): Promise<void> {
  await server?.stop()
}
