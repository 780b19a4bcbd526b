import { JobistemerError, printValue } from '@jobistemer/core'
import type { Dashboard } from './dashboard.ts'

/**
 * Returns `dashboard` unchanged.
 * @throws JobistemerError `INVALID_ARGUMENT` if the value is not a function
 */
export function checkDashboard(dashboard: Dashboard): Dashboard {
  if (typeof dashboard === 'function') return dashboard
  throw invalid(dashboard, 'dashboard', 'is not a dashboard', 'Give what createDashboard() returns.')
}

/**
 * Returns `request` unchanged.
 * @throws JobistemerError `INVALID_ARGUMENT` if the value is not a `Request`, of this or another realm
 */
export function checkRequest(request: Request): Request {
  const { url, method, headers } = Object(request) as Partial<Request>
  if (typeof url === 'string' && typeof method === 'string' && typeof headers?.get === 'function') return request
  throw invalid(
    request,
    'request',
    'is not a Request',
    'Give a Request, or mount the dashboard with nodeListener, expressMiddleware, fastifyPlugin, honoHandler or nextHandlers.',
  )
}

function invalid(value: unknown, field: string, what: string, remedy: string): JobistemerError {
  const message = `${field} ${what}: ${printValue(value)}.`
  return new JobistemerError('INVALID_ARGUMENT', { message, field, value, remedy })
}
