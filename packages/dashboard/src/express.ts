import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'
import { keepIncoming } from './incoming.ts'
import { nodeListener } from './node.ts'

/** The members of an Express request that the dashboard uses. */
export interface ExpressRequest extends IncomingMessage {
  /** The path and query of the request with the mount path. In `url`, Express has removed the mount path. */
  readonly originalUrl: string
  /** The request body, if an earlier middleware has parsed it. */
  readonly body?: unknown
}

/** A middleware of Express. */
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse) => void

/**
 * Converts a dashboard to an Express middleware. Mount the middleware at the dashboard's `basePath`, before or after
 * body parsers.
 *
 * @example
 * app.use('/admin/jobs', expressMiddleware(dashboard))
 */
export function expressMiddleware(dashboard: Dashboard): ExpressMiddleware {
  checkDashboard(dashboard)
  return (request, response) => {
    const { url, body } = request
    // If a body parser has consumed the request stream, the dashboard uses the parsed body.
    const isRead = body !== undefined && request.readableEnded
    const listener = nodeListener(isRead ? (asked) => dashboard(withBody(asked, request)) : dashboard)
    request.url = request.originalUrl
    listener(request, response)
    // Restores the URL, because Express passes the same request to the next middleware.
    request.url = url as string
  }
}

function withBody(request: Request, from: ExpressRequest): Request {
  // A `Request` of these methods has no body.
  if (['GET', 'HEAD', 'TRACE', 'TRACK'].includes(request.method)) return request
  const headers = new Headers(request.headers)
  headers.delete('content-length')
  const { method, signal, url } = request
  const isForm = headers.get('content-type')?.startsWith('application/x-www-form-urlencoded') === true
  const body = isForm ? formOf(from.body) : bytesOf(from.body)
  const whole = new Request(url, { method, headers, signal, body })
  keepIncoming(whole, from)
  return whole
}

/** Returns the form text of a body that `express.urlencoded` has parsed. */
function formOf(body: unknown): Uint8Array<ArrayBuffer> | string {
  const isParsed = typeof body === 'object' && body !== null && !(body instanceof Uint8Array)
  return isParsed ? new URLSearchParams(body as Record<string, string>).toString() : bytesOf(body)
}

/**
 * Returns the JSON text of a body that a JSON parser has parsed. Returns bytes and texts of `express.raw` and
 * `express.text` unchanged.
 */
function bytesOf(body: unknown): Uint8Array<ArrayBuffer> | string {
  if (typeof body === 'string') return body
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body)
}
