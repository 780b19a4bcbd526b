import type { IncomingMessage } from 'node:http'

const incoming = new WeakMap<Request, IncomingMessage>()

/** Remembers what a request was made of. */
export function keepIncoming(request: Request, from: IncomingMessage): void {
  incoming.set(request, from)
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
