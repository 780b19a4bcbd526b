import { checkDashboard } from './check-arguments.ts'
import type { Dashboard } from './dashboard.ts'

/** The exports of a route file of Next.js. */
export interface NextHandlers {
  /** Answers reads of pages, files and data. */
  readonly GET: Dashboard
  /** Answers HEAD like GET, without the body. */
  readonly HEAD: Dashboard
  /** Performs actions. */
  readonly POST: Dashboard
}

/**
 * Converts a dashboard to route handlers for the app router of Next.js. For the `basePath` `/admin/jobs`, export the
 * handlers from `app/admin/jobs/[[...path]]/route.ts`.
 *
 * @example
 * export const { GET, HEAD, POST } = nextHandlers(dashboard)
 * export const dynamic = 'force-dynamic'
 */
export function nextHandlers(dashboard: Dashboard): NextHandlers {
  checkDashboard(dashboard)
  return { GET: dashboard, HEAD: dashboard, POST: dashboard }
}
