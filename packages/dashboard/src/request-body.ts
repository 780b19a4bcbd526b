import { Buffer } from 'node:buffer'
import { Problem } from './problem.ts'

/** Maximum size of a request body in bytes: twice core's limit for a payload. */
const mostBytes = 256 * 1024

/**
 * Reads the body of an HTTP request.
 * @throws Problem 413 if the body is larger than `mostBytes`, 400 if it does not arrive completely, 500 if a middleware has
 *   read it before
 */
export async function readBytes(request: Request): Promise<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > mostBytes) throw tooLarge()
  if (request.bodyUsed || request.body?.locked) throw alreadyRead()
  const chunks: Uint8Array[] = []
  let size = 0
  if (request.body !== null) {
    const reader = request.body.getReader()
    const read = () =>
      reader.read().catch((): never => {
        throw incomplete()
      })
    for (let next = await read(); !next.done; next = await read()) {
      size += next.value.byteLength
      if (size > mostBytes) {
        await reader.cancel()
        throw tooLarge()
      }
      chunks.push(next.value)
    }
  }
  return Buffer.concat(chunks)
}

/**
 * Reads the JSON object in the body of an HTTP request.
 * @throws Problem 400 for an invalid body, 413 for a body that is too large
 */
export async function readBody(request: Request): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readBytes(request)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new Problem(400, 'INVALID_JSON', 'The body is not JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem(400, 'INVALID_JSON', 'The body is not a JSON object.')
  }
  return value as Record<string, unknown>
}

function alreadyRead(): Problem {
  const what = 'A middleware before the dashboard has read the body of the request.'
  const remedy = 'Mount the dashboard before this middleware, or let the middleware read request.clone().'
  return new Problem(500, 'BODY_ALREADY_READ', `${what} ${remedy}`)
}

function incomplete(): Problem {
  const what = 'The dashboard cannot read the body of the request.'
  return new Problem(
    400,
    'BODY_INCOMPLETE',
    `${what} The sender has disconnected, or a middleware has read the body before.`,
  )
}

function tooLarge(): Problem {
  return new Problem(413, 'BODY_TOO_LARGE', `The body has more than ${mostBytes} bytes.`)
}
