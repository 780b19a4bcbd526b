import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { NodeRequest } from 'srvx/node'
import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'
import { answerIncoming, keepEnding } from './incoming.ts'

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
  all(path: string, handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>): unknown
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
  /** Sets the status of the answer. */
  code(status: number): unknown
  /** Sets a header of the answer, or adds a further `set-cookie`. */
  header(name: string, value: string): unknown
  /** Sends the answer, after the `onSend` hooks. */
  send(payload: Readable | undefined): unknown
}

/** A plugin of Fastify. */
export type FastifyPlugin = (scope: FastifyScope) => Promise<void>

/**
 * Converts a dashboard to a Fastify plugin. Register the plugin with the dashboard's `basePath` as its prefix. Hooks that
 * were added before the plugin apply to all answers of the dashboard.
 *
 * @example
 * await app.register(fastifyPlugin(dashboard), { prefix: '/admin/jobs' })
 */
export function fastifyPlugin(dashboard: Dashboard): FastifyPlugin {
  checkDashboard(dashboard)
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
    const answer = async ({ raw: request }: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      keepEnding(request, ending.signal)
      const response = reply.raw
      const asked = new NodeRequest({ req: request, res: response })
      const { status, headers, body } = await answerIncoming(dashboard, asked, { request, response })
      // Fastify sends the answer, so that its `onSend` hooks run. @fastify/session saves the session in such a hook. Not all
      // hooks can read a `Response`, so this function passes its parts.
      reply.code(status)
      for (const [name, value] of headers) reply.header(name, value)
      return reply.send(body === null ? undefined : Readable.fromWeb(body as ReadableStream))
    }
    scope.all('/', answer)
    scope.all('/*', answer)
  }
}
