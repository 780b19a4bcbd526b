import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'

/** The members of a Hono context that the dashboard uses. */
export interface HonoContext {
  /** Hono's request. Its `raw` is the web `Request` of the platform. */
  readonly req: { readonly raw: Request }
}

/** A handler of Hono. */
export type HonoHandler = (context: HonoContext) => Promise<Response>

/**
 * Converts a dashboard to a Hono handler. Mount the handler at the dashboard's `basePath` and at all paths below it.
 *
 * @example
 * app.all('/admin/jobs', honoHandler(dashboard)).all('/admin/jobs/*', honoHandler(dashboard))
 */
export function honoHandler(dashboard: Dashboard): HonoHandler {
  checkDashboard(dashboard)
  return (context) => dashboard(context.req.raw)
}
