import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { acceptsGzip } from './assets.ts'
import type { Problem } from './problem.ts'
import type { BulkPart, ProblemView } from './wire.ts'

const pack = promisify(gzip)
const smallestPacked = 1500

/** Returns an answer with a value as JSON. Compresses a large body if the requester accepts compression. */
export async function jsonAnswer(request: Request, value: unknown, status = 200): Promise<Response> {
  const text = JSON.stringify(value)
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', vary: 'accept-encoding' }
  if (text.length < smallestPacked || !acceptsGzip(request)) return new Response(text, { status, headers })
  const packed = new Uint8Array(await pack(text, { level: 4 }))
  return new Response(packed, { status, headers: { ...headers, 'content-encoding': 'gzip' } })
}

export function problemAnswer(
  request: Request,
  { status, code, message, field }: Problem,
  part?: BulkPart,
): Promise<Response> {
  const view: ProblemView = { error: { code, message, field: field ?? null }, ...(part !== undefined && { part }) }
  return jsonAnswer(request, view, status)
}
