import { type DurationInput, type Logger, toDurationMs } from '@jobistemer/core'
import { invalidOption, readOptionNames } from '@jobistemer/core/storage'
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis'
import { maskUrl } from './secrets.ts'

/** An ioredis client of one server or of a Redis Cluster. */
export type RedisClient = Redis | Cluster

/** Options of {@link redisStorage}. Either `url` or `client` is required. */
export interface RedisStorageOptions {
  /** Address of the server, `redis://` or `rediss://`, with user, password and database number if needed. */
  readonly url?: string | URL
  /**
   * A `Redis` or `Cluster` client of ioredis instead of a URL. `close()` leaves this client open. The client must have
   * no `keyPrefix` and no `stringNumbers`. A Redis Cluster needs a `Cluster`.
   */
  readonly client?: RedisClient
  /**
   * Prefix of all keys: each key begins with `{` and the prefix. 1 to 100 characters without a colon, because a colon
   * ends the prefix. Schedulers with different prefixes never see each other. Default `jobistemer`.
   */
  readonly prefix?: string
  /**
   * Number of shards over which the jobs are spread; a Redis Cluster can keep each shard on another node. The number is
   * stored with new data and cannot be changed. Default: the stored number; for new data 1 on a single server, 16 on a
   * Cluster.
   */
  readonly shards?: number
  /** Maximum time of a call. Afterwards the call fails with `STORAGE_BUSY`. Default 5 s. */
  readonly commandTimeout?: DurationInput
  /**
   * Number of replicas that must acknowledge the writes of a call. If fewer replicas acknowledge the writes, the call fails
   * with `STORAGE_BUSY`, but its writes stay. Default 0.
   */
  readonly minReplicas?: number
  /**
   * How long a call waits for {@link RedisStorageOptions.minReplicas}. With `minReplicas`, must be shorter than
   * `commandTimeout`. Default 1 s.
   */
  readonly waitTimeout?: DurationInput
  /** Receives a warning if the server stores nothing on disk. Default: a process warning. */
  readonly logger?: Pick<Logger, 'warn'>
}

/** The validated options, with defaults filled in. */
export interface ReadOptions {
  readonly source: { readonly url: string } | { readonly client: RedisClient }
  readonly prefix: string
  readonly shards: number | null
  readonly commandTimeoutMs: number
  readonly minReplicas: number
  readonly waitTimeoutMs: number
  readonly logger: Pick<Logger, 'warn'> | null
}

const optionNames = ['url', 'client', 'prefix', 'shards', 'commandTimeout', 'minReplicas', 'waitTimeout', 'logger']
const mostShards = 1024
const longestPrefix = 100

/** Validates options and fills in defaults. @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION` */
export function readOptions(options: RedisStorageOptions): ReadOptions {
  const about = { opener: 'redisStorage', known: optionNames, example: '{ url }' }
  // A value may be an address or a password, so messages show only its type.
  readOptionNames(options, about, (value) => {
    return typeof value === 'object' || typeof value === 'string' ? `[${typeof value}]` : value
  })
  const { prefix = 'jobistemer', shards, minReplicas = 0, commandTimeout = 5000, waitTimeout = 1000, logger } = options
  const replicas = readCount(minReplicas, 'minReplicas', 0, 100)
  // A colon ends the prefix, and braces enclose the hash tag of a key. The other excluded characters have a meaning in access
  // rules.
  if (typeof prefix !== 'string' || !/^[^:{}*?[\]\\\s\p{Cc}\p{Cs}]+$/u.test(prefix) || prefix.length > longestPrefix) {
    const remedy = `Give 1 to ${longestPrefix} characters without spaces, colons and {}[]*?\\.`
    throw invalidOption('prefix', prefix, 'prefix is not the beginning of a key', remedy)
  }
  const commandTimeoutMs = toDurationMs(commandTimeout, 'commandTimeout', { min: 1 })
  const waitTimeoutMs = toDurationMs(waitTimeout, 'waitTimeout', { min: 1 })
  if ((replicas > 0 || options.waitTimeout !== undefined) && waitTimeoutMs >= commandTimeoutMs) {
    const remedy = 'Give a shorter waitTimeout, or a longer commandTimeout.'
    throw invalidOption('waitTimeout', waitTimeout, `waitTimeout is not shorter than commandTimeout`, remedy)
  }
  if (logger !== undefined && typeof logger?.warn !== 'function') {
    throw invalidOption('logger', logger, 'logger has no method warn', 'Give console or a logger that is like it.')
  }
  return {
    source: readSource(options),
    prefix,
    shards: shards === undefined ? null : readCount(shards, 'shards', 1, mostShards),
    commandTimeoutMs,
    minReplicas: replicas,
    waitTimeoutMs,
    logger: logger ?? null,
  }
}

function readSource({ url, client }: RedisStorageOptions): ReadOptions['source'] {
  if ((url === undefined) === (client === undefined)) {
    throw invalidOption('url', maskUrl(url), 'redisStorage needs either url or client', 'Write redisStorage({ url }).')
  }
  return client === undefined ? { url: readUrl(url as string | URL) } : { client: readClient(client) }
}

function readUrl(url: string | URL): string {
  const parsed = parseUrl(url)
  if (parsed === null) {
    throw invalidOption('url', maskUrl(url), 'url is not a URL', `Write one such as redis://localhost:6379. ${encode}`)
  }
  const { protocol, pathname, search, hash } = parsed
  if (protocol !== 'redis:' && protocol !== 'rediss:') {
    throw invalidOption('url', maskUrl(url), 'url does not begin with redis:// or rediss://', 'Write one that does.')
  }
  // If a password contains `#`, `?` or `/`, the URL parser ends the host at this character. The path, the query or the
  // fragment then contains parts of the real host. So this check rejects such a URL. ioredis takes the query for settings,
  // most of which the storage sets itself.
  if (!/^(\/\d*)?$/.test(pathname) || !/^(\?family=[046])?$/.test(search) || hash !== '') {
    const problem = 'url has something else than the number of a database and ?family=… behind its host'
    throw invalidOption('url', maskUrl(url), problem, `Write one such as redis://localhost:6379/0. ${encode}`)
  }
  return parsed.href
}

const encode = 'In a user name and a password, write each of :/?#[]@% as encodeURIComponent does.'

/** Parses a URL. Returns `null` if the text is no URL, or if its user name or password cannot be decoded. */
function parseUrl(url: string | URL): URL | null {
  try {
    const parsed = new URL(url)
    decodeURIComponent(parsed.username)
    decodeURIComponent(parsed.password)
    return parsed
  } catch {
    return null
  }
}

function readClient(client: RedisClient): RedisClient {
  const { callBuffer, duplicate, options }: Partial<RedisClient> = client ?? {}
  if (typeof callBuffer !== 'function' || typeof duplicate !== 'function' || typeof options !== 'object') {
    const remedy = 'Give a Redis or a Cluster of ioredis.'
    throw invalidOption('client', maskUrl(client), 'client is not one of ioredis', remedy)
  }
  const { keyPrefix, stringNumbers }: RedisOptions = { ...(options as ClusterOptions).redisOptions, ...options }
  if (keyPrefix || stringNumbers) {
    const problem = `client has ${keyPrefix ? 'a keyPrefix' : 'the setting stringNumbers'}`
    const remedy = 'Give a client without it. For a beginning of all keys, use the option prefix.'
    throw invalidOption('client', keyPrefix || stringNumbers, problem, remedy)
  }
  return client
}

function readCount(value: unknown, field: string, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalidOption(field, value, `${field} is not a whole number from ${min} to ${max}`, 'Give one that is.')
}
