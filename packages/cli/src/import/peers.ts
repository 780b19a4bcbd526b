import { CliError } from '../cli-error.ts'
import { exitCodes } from '../exit-codes.ts'
import { maskAddress } from '@jobistemer/core/storage'
import { importPackage } from '../storage/import-package.ts'

/** The read commands of ioredis that the importer uses. */
export interface RedisReader {
  connect(): Promise<void>
  disconnect(): void
  on(event: 'error', listener: () => void): unknown
  scan(cursor: string, match: 'MATCH', pattern: string, count: 'COUNT', number: number): Promise<[string, string[]]>
  hgetall(key: string): Promise<Record<string, string>>
  hget(key: string, field: string): Promise<string | null>
  hexists(key: string, field: string): Promise<number>
  llen(key: string): Promise<number>
  lrange(key: string, start: number, stop: number): Promise<string[]>
  zcard(key: string): Promise<number>
  zrange(key: string, start: number, stop: number, scores: 'WITHSCORES'): Promise<string[]>
}

/**
 * Opens a Redis connection with the `ioredis` package of the user's project.
 * @throws CliError
 */
export async function openRedis(url: string, cwd: string): Promise<RedisReader> {
  const { Redis } = await importPackage<{ Redis: new (url: string, options: object) => RedisReader }>('ioredis', {
    cwd,
    field: '--from',
  })
  const options = { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 }
  const redis = made(url, () => new Redis(url, options))
  // Without a listener, ioredis would print each connection error. The failed command reports the error.
  redis.on('error', () => undefined)
  await redis.connect().catch((cause: unknown) => {
    redis.disconnect()
    throw unreachable(url, cause)
  })
  return reporting(redis, url)
}

/** The members of a `pg` client that the importer uses. */
export interface PgReader {
  connect(): Promise<unknown>
  query<Row>(text: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly Row[] }>
  end(): Promise<void>
}

/**
 * Opens a read-only PostgreSQL transaction with the `pg` package of the user's project.
 * @throws CliError
 */
export async function openPostgres(url: string, cwd: string): Promise<PgReader> {
  type Pg = { Client: new (options: object) => PgReader }
  const { Client } = await importPackage<{ default: Pg }>('pg', { cwd, field: '--from' }).then((pg) => pg.default)
  const options = { connectionString: url, application_name: 'jobistemer import' }
  const client = made(url, () => new Client(options))
  try {
    await client.connect()
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  } catch (cause) {
    // Expected here: an error because the client has not connected. The command reports `cause` instead.
    await client.end().catch(() => undefined)
    throw unreachable(url, cause)
  }
  return reporting(client, url)
}

/** Returns the client that `make` returns. Its constructor throws if it cannot parse the address. */
function made<Client>(url: string, make: () => Client): Client {
  try {
    return make()
  } catch (cause) {
    throw unreachable(url, cause, 'Check the address. In its password, write %, # and / as %25, %23 and %2F.')
  }
}

/** Returns the client, with failed calls as errors of the source: a user may lack rights, or the connection may end. */
function reporting<Client extends object>(client: Client, url: string): Client {
  return new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...values: readonly unknown[]) => {
        const answer: unknown = member.apply(target, values)
        if (!(answer instanceof Promise)) return answer
        return answer.catch((cause: unknown) => {
          throw unreachable(url, cause)
        })
      }
    },
  })
}

const checkServer =
  'Give the address of the server that the source uses, with a user who may read it, and its password.'

function unreachable(url: string, cause: unknown, remedy = checkServer): CliError {
  return new CliError({
    code: 'SOURCE_UNREACHABLE',
    message: `The source cannot be read at ${maskAddress(url)}: ${cause instanceof Error ? cause.message : String(cause)}.`,
    field: '--from',
    remedy,
    exitCode: exitCodes.storage,
    cause,
  })
}

/** Returns the error `PACKAGE_OUTDATED`: the installed version of a source's library computes no instants. */
export function outdated(library: string, since: string): CliError {
  return new CliError({
    code: 'PACKAGE_OUTDATED',
    message: `The installed version of ${library} computes no instants.`,
    field: '--compare',
    remedy: `Install ${library} ${since} or later for the comparison, or leave --compare out.`,
  })
}

/** Returns the error `SOURCE_BUSY`: requests can be imported only after the source has stopped. */
export function sourceBusy(message: string, remedy: string): CliError {
  return new CliError({ code: 'SOURCE_BUSY', message, field: '--requests', remedy, exitCode: exitCodes.conflict })
}
