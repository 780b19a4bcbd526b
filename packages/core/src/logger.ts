import { inspect } from 'node:util'
import { isErrorLike } from './error-record.ts'
import { printError } from './print-error.ts'
import { catchRejection } from './rejection.ts'
import { maskSecrets, maskValue } from './secrets.ts'
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

/**
 * Writes warnings and errors to stderr, one line each. The stack of an error follows in indented lines. Control characters
 * are escaped, so that a text of a job cannot forge a line, and passwords in addresses are masked. The default.
 */
export const stderrLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (fields, message) => write('warn', fields, message),
  error: (fields, message) => write('error', fields, message),
}

const unreadable = '[unreadable]'

function write(level: string, given: unknown, message: unknown): void {
  const line = lineOf(given, message)
  const { err, ...others } = withFields({}, line.fields) as { readonly err?: unknown }
  const members = Object.entries(others).map(([name, value]) => `${name}=${printField(maskValue(value, name))}`)
  const at = new Date(systemClock.now()).toISOString()
  const text =
    line.message === undefined
      ? []
      : [typeof line.message === 'string' ? maskSecrets(line.message) : print(maskValue(line.message))]
  const stack = err === undefined ? [] : printError(err).split('\n')
  const head = escaped([at, level, 'jobistemer:', ...text, ...members].join(' '))
  process.stderr.write(
    `${[head, ...stack.map((one) => `  ${escaped(isFrame(one) ? one : maskSecrets(one))}`)].join('\n')}\n`,
  )
}

/** A line of a stack that names a file. Paths of packages contain `@`. */
function isFrame(line: string): boolean {
  return line.startsWith('    at ')
}

/** Control characters, line separators of Unicode among them, as JavaScript writes them in a string. */
function escaped(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Whatever a field holds, its line is written: what JSON does not know is shown as Node shows it. */
function printField(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:*-]+$/.test(value)) return value
  try {
    if (value instanceof Date) return Number.isNaN(+value) ? 'Invalid Date' : value.toISOString()
    if (!isErrorLike(value)) return JSON.stringify(value) ?? print(value)
  } catch {
    // A BigInt, a cycle, or a toJSON that throws.
  }
  return print(value)
}

function print(value: unknown): string {
  try {
    if (typeof value === 'bigint') return String(value)
    if (isErrorLike(value)) return JSON.stringify(maskSecrets(`${value.name}: ${value.message}`))
    return inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true, customInspect: false }).replace(
      /\s*\n\s*/g,
      ' ',
    )
  } catch {
    // Its members can be getters that throw.
    return unreadable
  }
}

/**
 * A line as loggers know it, whoever has written it: many put the text first or give nothing else, and pino takes an error
 * in place of the fields.
 */
export function lineOf(given: unknown, message: unknown): { readonly fields: unknown; readonly message: unknown } {
  const isTextFirst = typeof given === 'string' && typeof message !== 'string'
  const fields = isTextFirst ? message : given
  return { fields: isErrorLike(fields) ? { err: fields } : fields, message: isTextFirst ? given : message }
}

/** Fields with those of a line, whatever stands in their place: who logs must not fail of it. */
function withFields(fields: object, others: unknown): object {
  if (typeof others !== 'object' || others === null) return fields
  try {
    return { ...fields, ...others }
  } catch {
    return { ...fields, ...readableFields(others) }
  }
}

/** Members can be getters that throw, and a proxy can refuse everything. */
function readableFields(fields: object): object {
  try {
    return Object.fromEntries(Object.keys(fields).map((name) => [name, readMember(fields, name)]))
  } catch {
    return { fields: unreadable }
  }
}

function readMember(fields: object, name: string): unknown {
  try {
    return (fields as Record<string, unknown>)[name]
  } catch {
    return unreadable
  }
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
  return loggerWith(logger, () => trace.logFields())
}

/** A logger that adds fields to each line. */
export function boundLogger(logger: Logger, fields: object): Logger {
  return loggerWith(logger, () => fields)
}

function loggerWith(logger: Logger, fieldsNow: () => object): Logger {
  const adding =
    (level: keyof Logger) =>
    (given: object, message: string): void => {
      const line = lineOf(given, message)
      logger[level](withFields(fieldsNow(), line.fields), line.message as string)
    }
  return { debug: adding('debug'), info: adding('info'), warn: adding('warn'), error: adding('error') }
}
