import type { IncomingMessage, ServerResponse } from 'node:http'
import { toNodeHandler } from 'srvx/node'
import type { Dashboard } from './dashboard.ts'

/** A listener of node:http's `createServer`, or a part of one. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void

/**
 * The dashboard for `node:http`. A server that has other pages too calls it for paths below the `basePath`.
 *
 * @example
 * createServer(nodeListener(dashboard)).listen(3000)
 */
export function nodeListener(dashboard: Dashboard): NodeListener {
  const listener = toNodeHandler(dashboard) as (request: IncomingMessage, response: ServerResponse) => unknown
  return (request, response) => void listener(request, response)
}
