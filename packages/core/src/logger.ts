import { printError } from './print-error.ts'
import { catchRejection } from './rejection.ts'
import type { LogLevel } from './storage/occurrence-record.ts'
import { systemClock } from './system-clock.ts'

/** What Jobistemer logs to: `console` and a pino logger both fit. Fields come first, as pino wants them. */
export interface Logger {
  /** Steps of no interest while all is well. */
  debug(fields: object, message: string): void
  /** Starts, stops and changes. */
  info(fields: object, message: string): void
  /** What the engine copes with, and people should know: an attempt that failed and is tried again. */
  warn(fields: object, message: string): void
  /** What should not happen: a task that failed for good, a schedule, a hook or a storage that fails. */
  error(fields: object, message: string): void
}

const ignore = (): void => undefined

/** Logs nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** Writes warnings and errors to stderr, one line each, with an error's stack behind it. The default. */
export const stderrLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (fields, message) => write('warn', fields, message),
  error: (fields, message) => write('error', fields, message),
}

function write(level: string, fields: object, message: string): void {
  const { err, ...others } = fields as { readonly err?: unknown }
  const members = Object.entries(others).map(([name, value]) => `${name}=${printField(value)}`)
  const at = new Date(systemClock.now()).toISOString()
  const stack = err === undefined ? '' : `\n${printError(err)}`
  process.stderr.write(`${[at, level, 'jobistemer:', message, ...members].join(' ')}${stack}\n`)
}

function printField(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' && /^[\w.:-]+$/.test(value) ? value : (JSON.stringify(value) ?? String(value))
}

/** A logger of the user's that throws, or rejects, is a fault of its own: it never reaches who logs. */
export function guardedLogger(logger: Logger): Logger {
  const guarded =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        catchRejection(logger[level](fields, message), ignore)
      } catch {
        // Whoever could be told of it has just thrown.
      }
    }
  return { debug: guarded('debug'), info: guarded('info'), warn: guarded('warn'), error: guarded('error') }
}

/** A logger whose lines are also handed on, as whoever logs gives them. */
export function keepingLogger(
  logger: Logger,
  keep: (level: LogLevel, fields: unknown, message: unknown) => void,
): Logger {
  const keeping = (level: LogLevel) => (fields: object, message: string) => {
    logger[level](fields, message)
    keep(level, fields, message)
  }
  return { debug: keeping('debug'), info: keeping('info'), warn: keeping('warn'), error: keeping('error') }
}

/** A logger that adds to each line what a trace says of the moment. */
export function tracedLogger(logger: Logger, trace: { logFields(): object }): Logger {
  const traced =
    (level: keyof Logger) =>
    (fields: object, message: string): void =>
      logger[level]({ ...trace.logFields(), ...fields }, message)
  return { debug: traced('debug'), info: traced('info'), warn: traced('warn'), error: traced('error') }
}

/** A logger that adds fields to each line. */
export function boundLogger(logger: Logger, fields: object): Logger {
  return {
    debug: (others, message) => logger.debug({ ...fields, ...others }, message),
    info: (others, message) => logger.info({ ...fields, ...others }, message),
    warn: (others, message) => logger.warn({ ...fields, ...others }, message),
    error: (others, message) => logger.error({ ...fields, ...others }, message),
  }
}
