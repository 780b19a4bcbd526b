import { type DurationInput, type Logger, toDurationMs } from '@jobistemer/core'
import { invalidOption, maskAddress, readOptionNames } from '@jobistemer/core/storage'
import { storeText } from './sql.ts'

/** The result of a statement, as `pg` and PGlite return it. */
export interface PostgresResult {
  /** The rows. Each row maps the names of columns to values. */
  readonly rows: readonly object[]
}

/** One connection, with the interface of `pg` and PGlite. */
export interface PostgresConnection {
  /**
   * Runs one statement with its values for `$1` and so on. The values are texts and `null`. If the driver sends bytes
   * unchanged, values can also be bytes: the binary form of the parameter's PostgreSQL type.
   */
  query(text: string, values?: unknown[]): Promise<PostgresResult>
}

/** A pool of connections: a `Pool` of `pg`, or a compatible object. */
export interface PostgresPool {
  /** Reserves a connection for the caller, because a transaction needs a separate connection. */
  connect(): Promise<PostgresConnection & { release(broken?: Error | boolean): void }>
}

/**
 * A single connection: a connected `Client` of `pg`, a PGlite, or a compatible object. If the object has no method
 * `transaction`, no other code may use the connection.
 */
export interface PostgresClient extends PostgresConnection {
  /** Runs statements as one transaction, without statements of other callers between them, as PGlite does. */
  transaction?<T>(body: (transaction: PostgresConnection) => Promise<T>): Promise<T | undefined>
}

/** Options of {@link postgresStorage}. Exactly one of `pool`, `client` and `url` is required. */
export interface PostgresStorageOptions {
  /** A `Pool` of `pg`. `close()` of the storage does not close the pool. */
  readonly pool?: PostgresPool
  /** A single connection. `close()` of the storage does not close the connection. */
  readonly client?: PostgresClient
  /** `postgres://` or `postgresql://`: the storage creates its own pool with the package `pg`. */
  readonly url?: string | URL
  /** The schema of all tables, 1 to 63 bytes. Storages in different schemas share no data. Default `jobistemer`. */
  readonly schema?: string
  /**
   * Whether the storage creates the schema and migrates its tables at its first use. `false`: the administrator runs
   * the statements that `postgresMigrations()` returns. Default `true`.
   */
  readonly migrate?: boolean
  /** Whether nodes wake each other with LISTEN and NOTIFY. `false`: the nodes only poll. Default `true`. */
  readonly wakeUps?: boolean
  /**
   * How long a call may take, including waits for a connection and for locks, before it fails with `STORAGE_BUSY`. The
   * server stops waiting for a lock after nine tenths of this time. Default 10 s.
   */
  readonly commandTimeout?: DurationInput
  /** Receives a warning if wake-ups do not arrive. Default: a Node.js process warning. */
  readonly logger?: Pick<Logger, 'warn'>
}

/** The options after validation, with defaults filled in. */
export interface ReadOptions {
  readonly source: { readonly pool: PostgresPool } | { readonly client: PostgresClient } | { readonly url: string }
  readonly schema: string
  readonly migrate: boolean
  readonly wakeUps: boolean
  readonly commandTimeoutMs: number
  readonly logger: Pick<Logger, 'warn'> | null
}

const optionNames = ['pool', 'client', 'url', 'schema', 'migrate', 'wakeUps', 'commandTimeout', 'logger']

/** Maximum length of a schema name in bytes. PostgreSQL truncates longer names. */
const longestName = 63

/**
 * Validates the options and fills in the defaults.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readOptions(options: PostgresStorageOptions): ReadOptions {
  const about = { opener: 'postgresStorage', known: optionNames, example: '{ pool }' }
  // An unknown option may contain an address with a password, so messages mask its value.
  readOptionNames(options, about, (value) => {
    return typeof value === 'object' || typeof value === 'string' ? `[${typeof value}]` : value
  })
  const { migrate = true, wakeUps = true, commandTimeout = 10_000, logger } = options
  if (logger !== undefined && typeof logger?.warn !== 'function') {
    throw invalidOption('logger', logger, 'logger has no method warn', 'Give console or a logger that is like it.')
  }
  return {
    source: readSource(options),
    schema: readSchema(options.schema),
    migrate: readFlag(migrate, 'migrate'),
    wakeUps: readFlag(wakeUps, 'wakeUps'),
    commandTimeoutMs: toDurationMs(commandTimeout, 'commandTimeout', { min: 1 }),
    logger: logger ?? null,
  }
}

/** Characters that a schema name must not contain. A line break would split messages and migrations into several lines. */
const control = /\p{Cc}|[\u2028\u2029]/u

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readSchema(schema: unknown = 'jobistemer'): string {
  const isName = typeof schema === 'string' && schema !== '' && schema === storeText(schema) && !control.test(schema)
  if (!isName || Buffer.byteLength(schema) > longestName || /^pg_|^information_schema$/.test(schema)) {
    const remedy = `Give a name of at most ${longestName} bytes, without control characters, that is not one of PostgreSQL's own.`
    throw invalidOption('schema', schema, 'schema is not the name of a schema', remedy)
  }
  return schema
}

function readSource({ pool, client, url }: PostgresStorageOptions): ReadOptions['source'] {
  if ([pool, client, url].filter((source) => source !== undefined).length !== 1) {
    const problem = 'postgresStorage needs one of pool, client and url'
    throw invalidOption('pool', maskUrl(url), problem, 'Write postgresStorage({ pool }).')
  }
  if (pool !== undefined) return { pool: readPool(pool) }
  if (client !== undefined) return { client: readClient(client) }
  return { url: readUrl(url as string | URL) }
}

function readPool(pool: PostgresPool): PostgresPool {
  if (typeof pool !== 'object' || typeof pool?.connect !== 'function') {
    const remedy = 'Give a Pool of the package pg, or a client.'
    throw invalidOption('pool', maskUrl(pool), 'pool has no method connect', remedy)
  }
  // A client of `pg` also has `connect`, but this method connects the client itself. So the option `pool` rejects a client.
  if ('processID' in pool) {
    throw invalidOption('pool', '[Client]', 'pool is a client', 'Write postgresStorage({ client }).')
  }
  return pool
}

function readClient(client: PostgresClient): PostgresClient {
  if (typeof client !== 'object' || typeof client?.query !== 'function') {
    const remedy = 'Give a connected Client of the package pg, a PGlite, or a pool.'
    throw invalidOption('client', maskUrl(client), 'client has no method query', remedy)
  }
  // A pool of `pg` also has `query`, but would run each statement of a transaction on another connection. So the option
  // `client` rejects a pool.
  if ('totalCount' in client) {
    throw invalidOption('client', '[Pool]', 'client is a pool', 'Write postgresStorage({ pool }).')
  }
  return client
}

function readUrl(url: string | URL): string {
  const text = url instanceof URL ? url.href : url
  const parsed = typeof text === 'string' ? parseUrl(text) : null
  if (parsed === null) {
    throw invalidOption('url', maskUrl(url), 'url is not a URL', `Write one such as ${example}. ${encode}`)
  }
  if (parsed.protocol !== 'postgres:' && parsed.protocol !== 'postgresql:') {
    // The scheme has no //, because the mask for passwords would treat the rest of the message as an address.
    const problem = 'url does not begin with postgres: or postgresql:'
    throw invalidOption('url', maskUrl(url), problem, 'Write one that does.')
  }
  return text
}

/** Parses a PostgreSQL URL. Returns `null` for any other text, and for a URL whose user name or password cannot be decoded. */
export function parseUrl(text: string): URL | null {
  try {
    // A URL of a Unix socket may have a user and no host, which `URL` does not accept. So `parseUrl` adds a host.
    const parsed = new URL(text.replace(/^([a-z]+:\/\/[^/?#]*@)(?=[/?])/, '$1socket'))
    decodeURIComponent(parsed.username)
    decodeURIComponent(parsed.password)
    return parsed
  } catch {
    return null
  }
}

const example = 'postgres://user@localhost:5432/database'
const encode = 'In a user name and a password, write each of :/?#[]@% as encodeURIComponent does.'

function readFlag(value: unknown, field: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalidOption(field, value, `${field} is neither true nor false`, 'Give one of the two.')
}

/** Removes the secrets from a URL, or from another value given as the URL. */
function maskUrl(url: unknown): unknown {
  if (typeof url === 'string' || url instanceof URL) return maskAddress(String(url))
  return typeof url === 'object' && url !== null ? `[${typeof url}]` : url
}
