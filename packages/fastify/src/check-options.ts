import { JobistemerError, printValue } from '@jobistemer/core'
import type { JobistemerPluginOptions, SharedPluginOptions } from './plugin-options.ts'

/**
 * Checks the options that the plugins add to the options of a scheduler or a client.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function checkOwnOptions(
  options: SharedPluginOptions & Pick<JobistemerPluginOptions, 'start' | 'metricsRoute'>,
): void {
  const { start, closeStorage, dashboard, metricsRoute } = options
  assertBoolean(start, 'start')
  assertBoolean(closeStorage, 'closeStorage')
  if (dashboard !== undefined) {
    assertObject(dashboard, 'dashboard', 'Give the options of the dashboard with a basePath, or leave it out.')
    // Skips the check for an empty base path, which means the root.
    if (dashboard.basePath !== '') assertPath(dashboard.basePath, 'dashboard.basePath', '/admin/jobs')
  }
  if (metricsRoute !== undefined) {
    assertObject(metricsRoute, 'metricsRoute', 'Give { registry, path }, or leave it out.')
    if (metricsRoute.path !== undefined) assertPath(metricsRoute.path, 'metricsRoute.path', '/metrics')
  }
}

function assertBoolean(value: unknown, field: string): void {
  if (value === undefined || typeof value === 'boolean') return
  throw invalid(value, field, 'is neither true nor false', 'Give true or false.')
}

function assertObject(value: unknown, field: string, remedy: string): void {
  if (typeof value === 'object' && value !== null) return
  throw invalid(value, field, 'is not an object', remedy)
}

function assertPath(value: unknown, field: string, example: string): void {
  if (typeof value === 'string' && value.startsWith('/')) return
  throw invalid(value, field, 'is not a path', `Give a path that begins with a slash, such as '${example}'.`)
}

function invalid(value: unknown, field: string, what: string, remedy: string): JobistemerError {
  const message = `${field} ${what}: ${printValue(value)}.`
  return new JobistemerError('INVALID_ARGUMENT', { message, field, value, remedy })
}
