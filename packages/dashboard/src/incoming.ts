import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dashboard } from './dashboard.ts'

const incoming = new WeakMap<Request, IncomingMessage>()
const endings = new WeakMap<IncomingMessage, AbortSignal>()

/** Answers a `Request` that srvx has made from a Node.js request. */
export async function answerIncoming(
  dashboard: Dashboard,
  asked: Request,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<Response> {
  keepIncoming(asked, request)
  // srvx computes `asked.url` from `request.url` at the first access. Access `asked.url` now, because Express later changes
  // `request.url`.
  void asked.url
  const answered = await dashboard(asked)
  // After an event stream, close the connection. An open connection without requests would delay the close of the server.
  if (isStream(answered)) response.shouldKeepAlive = false
  return answered
}

function isStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') === true
}

/** Stores the Node.js request from which a `Request` was made, for {@link incomingOf} and {@link goneOf}. */
export function keepIncoming(request: Request, from: IncomingMessage): void {
  incoming.set(request, from)
}

/** Stores the signal that fires when the server of a Node.js request closes. */
export function keepEnding(from: IncomingMessage, ending: AbortSignal): void {
  endings.set(from, ending)
}

/**
 * Returns a signal that fires when the requester disconnects. After a call of `keepEnding`, the signal also fires when
 * the server closes.
 */
export function goneOf(request: Request): AbortSignal {
  const from = incoming.get(request)
  const ending = from && endings.get(from)
  return ending === undefined ? request.signal : AbortSignal.any([request.signal, ending])
}

/**
 * Returns the Node.js request from which `nodeListener`, `expressMiddleware` or `fastifyPlugin` made the given request,
 * else `null`. `authorize` can read values from the Node.js request that an earlier middleware has added, such as a
 * session.
 *
 * @example
 * authorize: (request) => incomingOf<{ session: { user?: string } }>(request)?.session.user !== undefined
 */
export function incomingOf<More extends object = object>(request: Request): (IncomingMessage & More) | null {
  return (incoming.get(request) as (IncomingMessage & More) | undefined) ?? null
}
