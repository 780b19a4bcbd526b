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
 * The dashboard for Hono. Mount it at its `basePath` and at all paths below.
 *
 * @example
 * app.all('/admin/jobs', honoHandler(dashboard)).all('/admin/jobs/*', honoHandler(dashboard))
 */
export function honoHandler(dashboard: Dashboard): HonoHandler {
  checkDashboard(dashboard)
  return (context) => dashboard(context.req.raw)
}
