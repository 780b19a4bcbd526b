import type { IncomingMessage, ServerResponse } from 'node:http'
import { toNodeHandler } from 'srvx/node'
import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'
import { answerIncoming } from './incoming.ts'

export { incomingOf } from './incoming.ts'

/**
 * A request listener for `createServer` of `node:http`. A server calls it for all paths, or only for the paths of the
 * dashboard.
 */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Converts a dashboard to a request listener for `node:http`. If the server also has other pages, call the listener
 * only for paths below the `basePath`.
 *
 * @example
 * createServer(nodeListener(dashboard)).listen(3000)
 */
export function nodeListener(dashboard: Dashboard): NodeListener {
  checkDashboard(dashboard)
  return (request, response) => {
    const answer = (asked: Request): Promise<Response> => answerIncoming(dashboard, asked, { request, response })
    const listener = toNodeHandler(answer) as (request: IncomingMessage, response: ServerResponse) => unknown
    // The dashboard answers all its own errors, so only a function around it can fail. An unhandled rejection would end the
    // process.
    const fail = (error: unknown): void => {
      process.emitWarning(error instanceof Error ? error : String(error))
      if (!response.headersSent) response.writeHead(500)
      response.end()
    }
    try {
      Promise.resolve(listener(request, response)).catch(fail)
    } catch (error) {
      fail(error)
    }
  }
}
