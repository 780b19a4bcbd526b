import type { Logger } from '@jobistemer/core'
import { Logger as NestLogger } from '@nestjs/common'

/**
 * Returns a logger that writes to the Nest application's logger, with the context `Jobistemer`. The module uses this logger if
 * its options contain no logger.
 */
export function nestLogger(): Logger {
  const logger = new NestLogger('Jobistemer')
  return {
    debug: (fields, message) => logger.debug(lineOf(fields, message)),
    info: (fields, message) => logger.log(lineOf(fields, message)),
    warn: (fields, message) => logger.warn(lineOf(fields, message)),
    error: (fields, message) => {
      const { err } = fields as { readonly err?: unknown }
      logger.error(lineOf(fields, message), err instanceof Error ? err.stack : undefined)
    },
  }
}

function lineOf(fields: object, message: string): string {
  const members = Object.entries(fields).map(([name, value]) => `${name}=${textOf(value)}`)
  return [message, ...members].join(' ')
}

function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Error) return JSON.stringify(value.message)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // Replaces fields that cannot be serialized, so that the line is still logged.
    return '[unreadable]'
  }
}
