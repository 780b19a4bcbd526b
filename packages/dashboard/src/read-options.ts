import { type Clock, JobistemerError, printValue, systemClock } from '@jobistemer/core'
import type { Authorize, DashboardOptions, HideRule, HiddenKind } from './options.ts'

/** The options of `createDashboard` after their check, with defaults. */
export interface Settings {
  readonly client: DashboardOptions['client']
  /** The path of the dashboard: empty at the root, otherwise with a slash at its beginning and none at its end. */
  readonly basePath: string
  readonly authorize: Authorize | undefined
  readonly token: string | undefined
  readonly secret: string | undefined
  readonly readOnly: boolean
  readonly hide: HideRule
  readonly audit: NonNullable<DashboardOptions['audit']>
  readonly origins: ReadonlySet<string>
  readonly title: string
  readonly logger: NonNullable<DashboardOptions['logger']>
  readonly clock: Clock
}

const names = [
  'client',
  'basePath',
  'authorize',
  'token',
  'secret',
  'readOnly',
  'hide',
  'audit',
  'origins',
  'title',
  'logger',
  'clock',
]
const kinds: readonly HiddenKind[] = ['payloads', 'results', 'logs', 'errors']
const shortestSecret = 16

/**
 * Checks the options and applies their defaults.
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function readOptions(options: DashboardOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    throw wrong('options', options, 'is not an object', 'Give { client, authorize }.')
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw new JobistemerError('UNKNOWN_OPTION', {
      message: `${unknown} is not an option of the dashboard.`,
      field: unknown,
      value: (options as unknown as Record<string, unknown>)[unknown],
      remedy: `The options are ${names.join(', ')}.`,
    })
  }
  const { client, authorize, audit = () => undefined, logger = consoleLogger, clock = systemClock } = options
  if (typeof client?.changes !== 'function' || typeof client.nextRuns !== 'function') {
    throw wrong('client', client, 'is not a client', 'Give what createClient() makes.')
  }
  if (authorize === undefined && options.token === undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: 'The dashboard has neither authorize nor a token, so it could let in no request.',
      field: 'authorize',
      remedy:
        'Give authorize, which decides about each request, or a token. `authorize: () => true` allows everything.',
    })
  }
  const { readOnly = false, title = 'Jobistemer' } = options
  if (typeof readOnly !== 'boolean') throw wrong('readOnly', readOnly, 'is not a boolean', 'Give true or false.')
  if (typeof title !== 'string' || title === '' || title.length > 100) {
    throw wrong('title', title, 'is not a text of 1 to 100 characters', 'Give one, or leave it out.')
  }
  if (typeof logger?.error !== 'function') {
    throw wrong('logger', logger, 'has no method error', 'Give console, or a logger such as pino.')
  }
  if (typeof clock?.now !== 'function' || typeof clock.setTimer !== 'function') {
    throw wrong('clock', clock, 'is not a clock', 'Leave it out, or give a virtual clock in tests.')
  }
  return {
    client,
    basePath: readBasePath(options.basePath ?? ''),
    authorize: readFunction(authorize, 'authorize'),
    token: readSecret(options.token, 'token'),
    secret: readSecret(options.secret, 'secret'),
    readOnly,
    hide: readHide(options.hide ?? []),
    audit: readFunction(audit, 'audit') as Settings['audit'],
    origins: readOrigins(options.origins ?? []),
    title,
    logger,
    clock,
  }
}

const consoleLogger: Settings['logger'] = { error: (fields, message) => console.error(message, fields) }

function readFunction<T>(value: T, field: string): T {
  if (value === undefined || typeof value === 'function') return value
  throw wrong(field, value, 'is not a function', 'Give a function, or leave it out.')
}

function readBasePath(value: unknown): string {
  if (
    typeof value === 'string' &&
    (value === '' || /^(\/[\w.~-]+)*\/?$/.test(value)) &&
    !/\/\.{1,2}(\/|$)/.test(value)
  ) {
    return value.replace(/\/$/, '')
  }
  throw wrong('basePath', value, 'is not a path', 'Give one such as /admin/jobs, of letters, digits, - . _ and ~.')
}

function readSecret(value: unknown, field: 'token' | 'secret'): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.length >= shortestSecret && /^[\w.~+/=-]+$/.test(value)) return value
  throw new JobistemerError('INVALID_ARGUMENT', {
    // The message omits the value, because even an invalid secret must stay secret.
    message: `${field} is too short, or has characters that do not fit into a link.`,
    field,
    remedy: `Give at least ${shortestSecret} letters and digits, such as randomBytes(24).toString('base64url').`,
  })
}

function readHide(value: unknown): HideRule {
  if (typeof value === 'function') return value as HideRule
  if (!Array.isArray(value)) {
    throw wrong('hide', value, 'is neither a list nor a function', `Give some of ${kinds.join(', ')}, or a rule.`)
  }
  const odd = value.findIndex((kind) => !kinds.includes(kind))
  if (odd !== -1) throw wrong(`hide[${odd}]`, value[odd], 'cannot be hidden', `Give some of ${kinds.join(', ')}.`)
  const hidden = new Set<HiddenKind>(value)
  return (what) => hidden.has(what)
}

function readOrigins(value: unknown): ReadonlySet<string> {
  if (!Array.isArray(value)) throw wrong('origins', value, 'is not a list', 'Give ["https://jobs.example.com"].')
  return new Set(
    value.map((origin: unknown, index) => {
      const url = typeof origin === 'string' && URL.canParse(origin) ? new URL(origin) : null
      if (url !== null && url.origin !== 'null' && `${url.origin}/` === url.href) return url.origin
      throw wrong(
        `origins[${index}]`,
        origin,
        'is not an origin',
        'Give a scheme and a host: https://jobs.example.com.',
      )
    }),
  )
}

function wrong(field: string, value: unknown, problem: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} ${problem}: ${printValue(value)}.`,
    field,
    value,
    remedy,
  })
}
