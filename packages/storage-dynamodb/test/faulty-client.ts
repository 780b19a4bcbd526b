import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'

type Client = Pick<DynamoDBClient, 'send'>

/**
 * Probabilities of faults, from 0 to 1. Some faults occur before a request reaches the table, other faults after the
 * request took effect.
 */
export interface FaultRates {
  /** The table rejects the request, as if the table or an item of a transaction were throttled. */
  readonly throttled: number
  /** The request takes effect, and its answer is lost. */
  readonly lostAnswer: number
}

/** Returns a client whose requests fail with these probabilities. The seed determines the series of faults. */
export function faultyClient(client: Client, rates: FaultRates, seed: number): Client & { readonly faults: number } {
  let state = seed
  let faults = 0
  const dice = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const send = async (command: object, options: object): Promise<unknown> => {
    const fate = dice()
    if (fate < rates.throttled) {
      faults++
      throw throttling(command.constructor.name, dice())
    }
    try {
      return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
    } finally {
      if (fate > 1 - rates.lostAnswer) {
        faults++
        // The client loses the answer of the table, or the error that came instead.
        // biome-ignore lint/correctness/noUnsafeFinally: the lost answer replaces the result or the error of the request.
        throw lost(dice())
      }
    }
  }
  return {
    send: send as Client['send'],
    get faults() {
      return faults
    },
  }
}

function throttling(command: string, dice: number): Error {
  if (command === 'TransactWriteItemsCommand') {
    return Object.assign(new Error('Transaction cancelled'), {
      name: 'TransactionCanceledException',
      CancellationReasons: [
        { Code: 'None' },
        { Code: dice < 0.5 ? 'ThrottlingError' : 'ProvisionedThroughputExceeded' },
      ],
    })
  }
  const name = dice < 0.5 ? 'ProvisionedThroughputExceededException' : 'ThrottlingException'
  return Object.assign(new Error('The rate is exceeded'), { name })
}

function lost(dice: number): Error {
  if (dice < 0.5) return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  return Object.assign(new Error('Internal'), { name: 'InternalServerError', $metadata: { httpStatusCode: 500 } })
}
