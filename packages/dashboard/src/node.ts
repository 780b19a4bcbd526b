import type { IncomingMessage, ServerResponse } from 'node:http'
import { toNodeHandler } from 'srvx/node'
import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'
import { keepIncoming } from './incoming.ts'

export { incomingOf } from './incoming.ts'

/** A request listener for `createServer` of `node:http`, for all or some paths of the server. */
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
    const answer = async (asked: Request): Promise<Response> => {
      keepIncoming(asked, request)
      // Reads the URL now: srvx computes it on first access, and Express changes `request.url` later.
      void asked.url
      const answered = await dashboard(asked)
      // Closes the connection after an event stream, because a closing server waits for idle connections.
      if (isStream(answered)) response.shouldKeepAlive = false
      return answered
    }
    const listener = toNodeHandler(answer) as (request: IncomingMessage, response: ServerResponse) => unknown
    void listener(request, response)
  }
}

function isStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') === true
}
