import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'

/** Wraps a client. The returned client loses the next `losses` answers to commands of the given class. */
export function losingClient(
  client: DynamoDBClient,
  kind: new (input: never) => object,
): Pick<DynamoDBClient, 'send'> & { losses: number } {
  const losing = {
    losses: 0,
    send: async (command: object, options: object): Promise<unknown> => {
      const [answer] = await Promise.allSettled([
        (client.send as (command: object, options: object) => Promise<unknown>)(command, options),
      ])
      // The lost answer replaces the result or the error of the request.
      if (command instanceof kind && losing.losses > 0) {
        losing.losses--
        throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
      }
      if (answer.status === 'rejected') throw answer.reason
      return answer.value
    },
  }
  return losing as unknown as Pick<DynamoDBClient, 'send'> & { losses: number }
}
