import { inspect, types } from 'node:util'
import { isErrorLike, printError } from './error-record.ts'
import { orElse } from './or-else.ts'
import { catchRejection } from './rejection.ts'
import { maskSecrets, maskValue } from './secrets.ts'
import type { LogLevel } from './storage/occurrence-record.ts'
import { systemClock } from './system-clock.ts'

/** The logger to which Jobistemer writes; `console` and pino loggers fit. Fields come first, as in pino. */
export interface Logger {
  /** Logs a step that matters only for debugging. */
  debug(fields: object, message: string): void
  /** Logs normal operation: a start, a stop or a change. */
  info(fields: object, message: string): void
  /** Logs a problem that the engine handles itself, such as a failed attempt with a retry left. */
  warn(fields: object, message: string): void
  /** Logs a failure that needs attention: a task without a retry left, or a schedule, hook or storage that fails. */
  error(fields: object, message: string): void
}

const ignore = (): void => undefined

/** A logger that discards all lines. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/**
 * The default logger. Writes each warning and error as one line to stderr. The stack of an error follows in indented lines. The
 * logger escapes control characters, so that a text of a job cannot forge a line. The logger masks secrets, such as passwords
 * in addresses.
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
  const members = Object.entries(others).map(([name, value]) => `${name}=${print(maskValue(value, name))}`)
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

/**
 * Returns whether a line of a stack names a file. The logger does not mask passwords in such a line. Paths of packages contain
 * `@`, so the logger would take parts of these paths for passwords.
 */
function isFrame(line: string): boolean {
  return line.startsWith('    at ')
}

/** Escapes control characters and Unicode line separators as JavaScript string literals do. */
function escaped(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/**
 * Prints the value of a field without throwing. A value that JSON cannot represent, such as a cyclic object, is printed as Node's
 * `inspect` prints it.
 */
function print(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:*-]+$/.test(value)) return value
  const options = { breakLength: Number.POSITIVE_INFINITY, compact: true, customInspect: false }
  try {
    if (types.isDate(value)) return Number.isNaN(+value) ? 'Invalid Date' : value.toISOString()
    if (isErrorLike(value)) return JSON.stringify(maskSecrets(`${value.name}: ${value.message}`))
    return orElse(() => JSON.stringify(value), undefined) ?? inspect(value, options).replace(/\s*\n\s*/g, ' ')
  } catch {
    // If a member of the value is a getter that throws, the logger prints a replacement for the value.
    return unreadable
  }
}

/**
 * Normalizes the arguments of a log call. A caller may pass fields and text, text and fields, or only a text. An error in place
 * of the fields becomes the field `err`.
 */
export function lineOf(given: unknown, message: unknown): { readonly fields: unknown; readonly message: unknown } {
  const isTextFirst = typeof given === 'string' && typeof message !== 'string'
  const fields = isTextFirst ? message : given
  return { fields: isErrorLike(fields) ? { err: fields } : fields, message: isTextFirst ? given : message }
}

/**
 * Returns `fields` with the members of `others` added. The caller of the logger supplies `others`, which may be any value.
 * Ignores a value that is no object. Never throws.
 */
function withFields(fields: object, others: unknown): object {
  if (typeof others !== 'object' || others === null) return fields
  // Getters can throw, and a proxy can reject every access.
  return orElse<object>(() => ({ ...fields, ...others }), { ...fields, fields: unreadable })
}

/** Wraps the user's logger so that errors and rejections of the logger never reach the engine. */
export function guardedLogger(logger: Logger): Logger {
  return loggerOf((level) => (fields, message) => {
    try {
      catchRejection(logger[level](fields, message), ignore)
    } catch {
      // The logger itself has failed, so the error cannot be logged.
    }
  })
}

/** Makes a logger that also passes each line to `keep`, with the caller's original arguments. */
export function keepingLogger(
  logger: Logger,
  keep: (level: LogLevel, fields: unknown, message: unknown) => void,
): Logger {
  return loggerOf((level) => (fields, message) => {
    logger[level](fields, message)
    keep(level, fields, message)
  })
}

/** Makes a logger that adds the fields of the current trace to each line. */
export function tracedLogger(logger: Logger, trace: { logFields(): object }): Logger {
  return loggerOf((level) => (given, message) => {
    const line = lineOf(given, message)
    logger[level](withFields(trace.logFields(), line.fields), line.message as string)
  })
}

/** Makes a logger that adds the given fields to each line. */
export function boundLogger(logger: Logger, fields: object): Logger {
  return tracedLogger(logger, { logFields: () => fields })
}

export function loggerOf(make: (level: LogLevel) => (fields: object, message: string) => void): Logger {
  return { debug: make('debug'), info: make('info'), warn: make('warn'), error: make('error') }
}
