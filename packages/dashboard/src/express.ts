import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Dashboard } from './dashboard.ts'
import { nodeListener } from './node.ts'

/** What Express hands to a middleware, as far as it is used. */
export interface ExpressRequest extends IncomingMessage {
  /** The path before Express took the place of the mounting away. */
  readonly originalUrl: string
  /** What a parser before has made of the body. */
  readonly body?: unknown
}

/** A middleware of Express. */
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse) => void

/**
 * The dashboard for Express. It is mounted where its `basePath` is, before or after parsers of bodies.
 *
 * @example
 * app.use('/admin/jobs', expressMiddleware(dashboard))
 */
export function expressMiddleware(dashboard: Dashboard): ExpressMiddleware {
  const listener = nodeListener(dashboard)
  return (request, response) => {
    const own = request.body === undefined || !request.readableEnded ? request : again(request)
    const url = request.url
    own.url = request.originalUrl
    listener(own, response)
    // Express looks at it again when it goes on.
    if (own === request) request.url = url
  }
}

/** The request with its body, which a parser has read. */
function again(request: ExpressRequest): IncomingMessage {
  const bytes = Buffer.from(JSON.stringify(request.body))
  const { 'transfer-encoding': _, ...headers } = request.headers
  const stream = Readable.from([bytes])
  return Object.assign(stream, {
    method: request.method,
    url: request.originalUrl,
    headers: { ...headers, 'content-length': String(bytes.length) },
    rawHeaders: Object.entries(headers).flatMap(([name, value]) => [name, String(value)]),
    socket: request.socket,
    httpVersion: request.httpVersion,
  }) as unknown as IncomingMessage
}
