import {
  type AttributeValue,
  type DynamoDBClient,
  QueryCommand,
  type QueryCommandInput,
  type QueryCommandOutput,
  ScanCommand,
  type ScanCommandOutput,
} from '@aws-sdk/client-dynamodb'

type Client = Pick<DynamoDBClient, 'send'>
type Item = Record<string, AttributeValue>

/**
 * Returns a client that answers queries of an index from a copy of the index. The client renews the copy every
 * `queriesPerLook` queries, because the index of DynamoDB Local itself never lags.
 */
export function laggingIndex(client: Client, queriesPerLook: number): Client {
  let seen: readonly Item[] = []
  let queries = 0
  const send = async (command: object, options: object): Promise<unknown> => {
    if (!(command instanceof QueryCommand) || command.input.IndexName === undefined) {
      return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
    }
    const { TableName, IndexName } = command.input
    if (queries++ % queriesPerLook === 0) {
      const scanned: Item[] = []
      let start: Item | undefined
      do {
        const page: ScanCommandOutput = await client.send(
          new ScanCommand({ TableName, IndexName, ...(start && { ExclusiveStartKey: start }) }),
        )
        scanned.push(...(page.Items ?? []))
        start = page.LastEvaluatedKey
      } while (start !== undefined)
      seen = scanned
    }
    return answer(seen, command.input)
  }
  return { send: send as Client['send'] }
}

function answer(items: readonly Item[], query: QueryCommandInput): QueryCommandOutput {
  const { ':place': place, ':from': from, ':to': to } = query.ExpressionAttributeValues ?? {}
  const order = (item: Item) => Number(item.lo?.N)
  const found = items
    .filter((item) => item.lp?.S === place?.S)
    .filter((item) => from === undefined || order(item) >= Number(from.N))
    .filter((item) => to === undefined || order(item) <= Number(to.N))
    .sort((left, right) => order(left) - order(right) || (nameOf(left) < nameOf(right) ? -1 : 1))
  const start = query.ExclusiveStartKey
  const rest =
    start === undefined
      ? found
      : found.filter(
          (item) => order(item) > order(start) || (order(item) === order(start) && nameOf(item) > nameOf(start)),
        )
  const page = rest.slice(0, query.Limit)
  const last = page.at(-1)
  return {
    $metadata: {},
    Items: page,
    ...(rest.length > page.length && last !== undefined && { LastEvaluatedKey: last }),
  }
}

function nameOf(item: Item): string {
  return `${item.pk?.S} ${item.sk?.S}`
}
