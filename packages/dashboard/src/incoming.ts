import type { IncomingMessage } from 'node:http'

const incoming = new WeakMap<Request, IncomingMessage>()
const endings = new WeakMap<IncomingMessage, AbortSignal>()

/** Remembers what a request was made of. */
export function keepIncoming(request: Request, from: IncomingMessage): void {
  incoming.set(request, from)
}

/** Remembers what fires when the server ends that has received this. */
export function keepEnding(from: IncomingMessage, ending: AbortSignal): void {
  endings.set(from, ending)
}

/** Fires when whoever asked has gone, and when the server ends, where that is known. */
export function goneOf(request: Request): AbortSignal {
  const from = incoming.get(request)
  const ending = from && endings.get(from)
  return ending === undefined ? request.signal : AbortSignal.any([request.signal, ending])
}

/**
 * What Node.js has received, of a request that came through `nodeListener`, `expressMiddleware` or `fastifyPlugin`: for
 * an `authorize` that goes by what a middleware before has put there, such as a session. `null` for any other request.
 *
 * @example
 * authorize: (request) => incomingOf<{ session: { user?: string } }>(request)?.session.user !== undefined
 */
export function incomingOf<More extends object = object>(request: Request): (IncomingMessage & More) | null {
  return (incoming.get(request) as (IncomingMessage & More) | undefined) ?? null
}
