import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dashboard } from './dashboard.ts'
import { keepEnding } from './incoming.ts'
import { nodeListener } from './node.ts'

/** The members of a Fastify instance that the dashboard uses. */
export interface FastifyScope {
  /** Removes the body parsers that this Fastify scope has inherited. */
  removeAllContentTypeParsers(): void
  /** Sets a body parser of this Fastify scope. */
  addContentTypeParser(
    type: string,
    parser: (request: unknown, payload: unknown, done: (error: Error | null) => void) => void,
  ): unknown
  /** Adds a hook that Fastify calls when it closes, before it waits for open connections. */
  addHook(name: 'preClose', hook: (done: () => void) => void): unknown
  /** Sets a route of this Fastify scope for all HTTP methods. */
  all(path: string, handler: (request: FastifyRequest, reply: FastifyReply) => void): unknown
}

/** The members of a Fastify request that the dashboard uses. */
export interface FastifyRequest {
  /** The Node.js request of this Fastify request. */
  readonly raw: IncomingMessage
}

/** The members of a Fastify reply that the dashboard uses. */
export interface FastifyReply {
  /** The Node.js response of this Fastify reply. */
  readonly raw: ServerResponse
  /** Tells Fastify that the caller sends the answer itself. */
  hijack(): unknown
}

/** A plugin of Fastify. */
export type FastifyPlugin = (scope: FastifyScope) => Promise<void>

/**
 * Converts a dashboard to a Fastify plugin. Register the plugin with the dashboard's `basePath` as its prefix. Hooks that
 * were added before the plugin apply to the dashboard.
 *
 * @example
 * await app.register(fastifyPlugin(dashboard), { prefix: '/admin/jobs' })
 */
export function fastifyPlugin(dashboard: Dashboard): FastifyPlugin {
  const listener = nodeListener(dashboard)
  return async (scope) => {
    // The dashboard reads request bodies itself, so the inherited parsers are removed.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    // Ends the event streams of open pages first, because a closing server waits for open connections.
    const ending = new AbortController()
    scope.addHook('preClose', (done) => {
      ending.abort()
      done()
    })
    const answer = (request: FastifyRequest, reply: FastifyReply): void => {
      reply.hijack()
      keepEnding(request.raw, ending.signal)
      listener(request.raw, reply.raw)
    }
    scope.all('/', answer)
    scope.all('/*', answer)
  }
}
