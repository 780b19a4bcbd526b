import type { ConsumedCapacity, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { localClient } from './local-client.ts'

/** What calls have used: units of table and index together, and requests. */
export interface Usage {
  writeUnits: number
  readUnits: number
  writeRequests: number
  readRequests: number
}

const writing = /^(Put|Update|Delete|BatchWrite|TransactWrite)/

/** A client that adds up what DynamoDB says each request has consumed. */
export function meteredClient(server: { readonly endpoint: string }): {
  readonly client: DynamoDBClient
  measure(calls: () => Promise<unknown>): Promise<Usage>
} {
  const client = localClient(server)
  let usage: Usage = { writeUnits: 0, readUnits: 0, writeRequests: 0, readRequests: 0 }
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const input = { ...(args.input as object), ReturnConsumedCapacity: 'INDEXES' }
        const result = await next({ ...args, input } as typeof args)
        const isWrite = writing.test(commandName)
        if (isWrite) usage.writeRequests++
        else usage.readRequests++
        const { ConsumedCapacity: consumed } = result.output as {
          ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[]
        }
        for (const { CapacityUnits: units = 0 } of [consumed ?? []].flat()) {
          if (isWrite) usage.writeUnits += units
          else usage.readUnits += units
        }
        return result
      },
    { step: 'initialize', name: 'meter' },
  )
  return {
    client,
    async measure(calls) {
      usage = { writeUnits: 0, readUnits: 0, writeRequests: 0, readRequests: 0 }
      await calls()
      return usage
    },
  }
}
