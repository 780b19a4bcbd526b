import { Agent, request } from 'node:http'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { isThorough } from '../../workspace/test-effort.ts'
import { localAuthorization, localClient } from './local-client.ts'

/** The part of the AWS SDK's commands that {@link plainClient} uses. */
interface PlainCommand {
  readonly input: object
  readonly middlewareStack: { identify(): readonly string[] }
}

/**
 * Returns a client for DynamoDB Local that sends the JSON of a command without the middleware of the AWS SDK. The middleware
 * takes two thirds of the processor time of a request.
 *
 * The client has no retries and ignores abort signals. A command with its own middleware goes through the SDK. The tests of
 * costs, clocks, tables and time limits use only the SDK. In `npm run test:extra`, all tests use the SDK.
 */
export function plainClient(server: { readonly endpoint: string }): DynamoDBClient {
  const client = localClient(server)
  if (isThorough) return client
  // DynamoDB Local closes connections that are idle for 30 s. The agent closes them earlier, so no request meets the end of its
  // connection.
  const agent = new Agent({ keepAlive: true, maxSockets: 50, timeout: 10_000 })
  const viaSdk = client.send.bind(client) as (command: object, options?: object) => Promise<unknown>
  const send = async (command: PlainCommand, options?: object): Promise<unknown> => {
    if (command.middlewareStack.identify().length > 0) return await viaSdk(command, options)
    const operation = command.constructor.name.replace(/Command$/, '')
    const { status, text } = await post(server.endpoint, agent, operation, JSON.stringify(command.input, encodeBytes))
    const answer: unknown = text.includes('"B":') ? JSON.parse(text, decodeBytes) : JSON.parse(text)
    if (status !== 200) throw serviceError(status, answer as ErrorAnswer)
    return answer
  }
  const destroy = client.destroy.bind(client)
  return Object.assign(client, {
    send: send as DynamoDBClient['send'],
    destroy() {
      agent.destroy()
      destroy()
    },
  })
}

function post(
  endpoint: string,
  agent: Agent,
  operation: string,
  body: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = {
    ...localAuthorization,
    'content-type': 'application/x-amz-json-1.0',
    'content-length': Buffer.byteLength(body),
    'x-amz-target': `DynamoDB_20120810.${operation}`,
  }
  return new Promise((resolve, reject) => {
    const sent = request(endpoint, { agent, method: 'POST', headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
      response.once('error', reject)
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Converts bytes to base64. The value of a Buffer comes from `this`, because a Buffer has its own JSON form. */
function encodeBytes(this: Record<string, unknown>, name: string, value: unknown): unknown {
  if (name !== 'B') return value
  const bytes = this[name]
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('base64') : value
}

function decodeBytes(name: string, value: unknown): unknown {
  return name === 'B' && typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : value
}

interface ErrorAnswer {
  readonly __type?: string
  readonly message?: string
  readonly Message?: string
}

/** Returns an error like that of the AWS SDK. The type of an answer is `namespace#Name`. */
function serviceError(status: number, answer: ErrorAnswer): Error {
  const { __type: type = 'UnknownError', ...details } = answer
  return Object.assign(new Error(answer.message ?? answer.Message), details, {
    name: type.slice(type.indexOf('#') + 1),
    $metadata: { httpStatusCode: status },
  })
}
