import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'

/** What Hono hands to a handler, as far as it is used. */
export interface HonoContext {
  /** Its own request, around the one of the platform. */
  readonly req: { readonly raw: Request }
}

/** A handler of Hono. */
export type HonoHandler = (context: HonoContext) => Promise<Response>

/**
 * The dashboard for Hono. It is mounted for its `basePath` and all below.
 *
 * @example
 * app.all('/admin/jobs', honoHandler(dashboard)).all('/admin/jobs/*', honoHandler(dashboard))
 */
export function honoHandler(dashboard: Dashboard): HonoHandler {
  checkDashboard(dashboard)
  return (context) => dashboard(context.req.raw)
}
