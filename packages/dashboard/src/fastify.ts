import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dashboard } from './dashboard.ts'
import { keepEnding } from './incoming.ts'
import { nodeListener } from './node.ts'

/** The members of a Fastify instance that the dashboard uses. */
export interface FastifyScope {
  /** Removes the parsers that this scope has inherited. */
  removeAllContentTypeParsers(): void
  /** Sets a parser of this scope. */
  addContentTypeParser(
    type: string,
    parser: (request: unknown, payload: unknown, done: (error: Error | null) => void) => void,
  ): unknown
  /** Adds a hook that runs before the server waits for its connections. */
  addHook(name: 'preClose', hook: (done: () => void) => void): unknown
  /** Sets the route for every method. */
  all(path: string, handler: (request: FastifyRequest, reply: FastifyReply) => void): unknown
}

/** A request of Fastify, as far as it is used. */
export interface FastifyRequest {
  /** The request of Node.js. */
  readonly raw: IncomingMessage
}

/** A reply of Fastify, as far as it is used. */
export interface FastifyReply {
  /** The response of Node.js. */
  readonly raw: ServerResponse
  /** Keeps Fastify from sending an answer. */
  hijack(): unknown
}

/** A plugin of Fastify. */
export type FastifyPlugin = (scope: FastifyScope) => Promise<void>

/**
 * The dashboard for Fastify. Register it with its `basePath` as the prefix. Hooks that you added before apply to it.
 *
 * @example
 * await app.register(fastifyPlugin(dashboard), { prefix: '/admin/jobs' })
 */
export function fastifyPlugin(dashboard: Dashboard): FastifyPlugin {
  const listener = nodeListener(dashboard)
  return async (scope) => {
    // The dashboard reads bodies itself.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    // A closing server waits for its connections, so the event streams of open pages have to end first.
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
