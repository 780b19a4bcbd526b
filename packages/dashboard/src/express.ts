import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'
import { keepIncoming } from './incoming.ts'
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
  checkDashboard(dashboard)
  return (request, response) => {
    const { url, body } = request
    // What a parser has read cannot be read again.
    const isRead = body !== undefined && request.readableEnded
    const listener = nodeListener(isRead ? (asked) => dashboard(withBody(asked, request)) : dashboard)
    request.url = request.originalUrl
    listener(request, response)
    // Express looks at it again when it goes on.
    request.url = url as string
  }
}

function withBody(request: Request, from: ExpressRequest): Request {
  if (request.method === 'GET' || request.method === 'HEAD') return request
  const headers = new Headers(request.headers)
  headers.delete('content-length')
  const { method, signal, url } = request
  const isForm = headers.get('content-type')?.startsWith('application/x-www-form-urlencoded') === true
  const body = isForm ? formOf(from.body) : bytesOf(from.body)
  const whole = new Request(url, { method, headers, signal, body })
  keepIncoming(whole, from)
  return whole
}

/** What `express.urlencoded` has made of a form, as it came. */
function formOf(body: unknown): Uint8Array<ArrayBuffer> | string {
  const isParsed = typeof body === 'object' && body !== null && !(body instanceof Uint8Array)
  return isParsed ? new URLSearchParams(body as Record<string, string>).toString() : bytesOf(body)
}

/** What a parser has made of a body, as it came: `express.raw` and `express.text` leave it as it is. */
function bytesOf(body: unknown): Uint8Array<ArrayBuffer> | string {
  if (typeof body === 'string') return body
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body)
}
