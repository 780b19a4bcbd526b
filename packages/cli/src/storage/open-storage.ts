import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Logger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { CliError } from '../cli-error.ts'
import { exitCodes } from '../exit-codes.ts'
import { importDependency, importPackage } from './import-package.ts'
import type { Location } from './location.ts'

/** The options with which this program opens a storage. */
export interface OpenOptions {
  /** The working folder. The program resolves packages from it. */
  readonly cwd: string
  /** The program resolves a relative path in the location from this folder. */
  readonly folder: string
  readonly prefix: string | undefined
  readonly timeoutMs: number
  /** `true`: create missing data. Default: throw an error if the data do not exist. */
  readonly isNew?: boolean
  /** `true`: create the tables in an existing SQLite file that has no tables. Default: throw an error. */
  readonly createsTables?: boolean
  /** Receives the warnings of the storage. */
  readonly logger: Pick<Logger, 'warn'>
}

// The export of `@jobistemer/storage-sqlite` that this program uses. The program imports a storage package only when it
// opens a storage of this kind.
interface SqlitePackage {
  sqliteStorage(options: {
    readonly file: string
    readonly busyTimeout: number
    readonly tablePrefix?: string
  }): Storage
}

/** The members of `better-sqlite3` that this program uses to search a file for the tables of a storage. */
interface SqliteDriver {
  readonly default: new (
    file: string,
    options: { readonly fileMustExist: true; readonly timeout: number },
  ) => {
    prepare(sql: string): { get(...values: readonly string[]): unknown }
    close(): unknown
  }
}

interface RedisPackage {
  redisStorage(options: {
    readonly url: string
    readonly commandTimeout: number
    readonly waitTimeout: number
    readonly prefix?: string
    readonly logger: Pick<Logger, 'warn'>
  }): Storage
}

/** The parts of the result of `inspectPostgres` of `@jobistemer/storage-postgres` that this program uses. */
export interface PostgresInspection {
  readonly form: number | null
  readonly formNeeded: number
  readonly isStandby: boolean
  readonly isReadOnly: boolean
  readonly settings: {
    readonly fsync: boolean
    readonly fullPageWrites: boolean
    readonly synchronousCommit: string
    readonly autovacuum: boolean
  }
  readonly unvacuumed: readonly string[]
  readonly missingRights: readonly string[]
  /** Absent in earlier versions of the package, which do not inspect row security. */
  readonly rowSecurity?: readonly string[]
  readonly vacuumHolders: readonly {
    readonly kind: 'transaction' | 'prepared' | 'slot' | 'standby'
    readonly name: string
    readonly forMs: number | null
  }[]
  readonly hearsNotifications: boolean | null
}

/** The connection options of `@jobistemer/storage-postgres` that this program uses. */
interface PostgresPlace {
  readonly url: string
  readonly commandTimeout: number
  readonly schema?: string
  readonly logger: Pick<Logger, 'warn'>
}

/** The exports of `@jobistemer/storage-postgres` that this program uses. */
export interface PostgresPackage {
  postgresStorage(options: PostgresPlace & { readonly migrate?: false }): Storage
  inspectPostgres(options: PostgresPlace): Promise<PostgresInspection>
  postgresMigrations(options: { readonly schema?: string; readonly from?: number }): string
}

interface DynamoDBPackage {
  dynamodbStorage(options: {
    readonly client: object
    readonly tableName: string
    readonly prefix?: string
    readonly requestTimeout: number
    readonly retryTimeout: number
  }): Storage
}

interface AwsPackage {
  readonly DynamoDBClient: new (options: {
    readonly endpoint?: string
    readonly region?: string
  }) => { destroy(): void }
}

/** Opens the storage at a location. Creates missing data only with `isNew`. */
export async function openStorage(location: Location, options: OpenOptions): Promise<Storage> {
  switch (location.kind) {
    case 'sqlite':
      return openSqlite(location.file, options)
    case 'redis':
      return openRedis(location.url, options)
    case 'postgres':
      return openPostgres(location.url, options)
    case 'dynamodb':
      return openDynamoDB(location, options)
  }
}

async function openSqlite(
  path: string,
  { cwd, folder, prefix, timeoutMs, isNew, createsTables }: OpenOptions,
): Promise<Storage> {
  const file = resolve(folder, path)
  // The storage would create a missing file, so a mistyped name would look like an empty storage.
  if (isNew !== true && !existsSync(file)) {
    throw missing(`There is no file ${file}.`)
  }
  const { sqliteStorage } = await importPackage<SqlitePackage>('@jobistemer/storage-sqlite', { cwd })
  if (isNew !== true) {
    const isEmpty = (prefix === undefined || createsTables === true) && (await hasNoTables(file, cwd))
    if (isEmpty && createsTables !== true) throw missing(`The file ${file} has no tables of Jobistemer.`)
    if (!isEmpty && prefix !== undefined) await checkTables(file, prefix, { cwd, timeoutMs })
  }
  return sqliteStorage({ file, busyTimeout: timeoutMs, ...(prefix !== undefined && { tablePrefix: prefix }) })
}

function missing(message: string): CliError {
  return new CliError({
    code: 'STORAGE_MISSING',
    message,
    field: '--storage',
    remedy: 'Give the file that the schedulers use, relative to the working folder or absolute.',
    exitCode: exitCodes.storage,
  })
}

/**
 * Returns whether a file is an SQLite database without any table. Returns `false` if the file may be in use, or if this user
 * cannot open it: the storage then reports the error.
 */
async function hasNoTables(file: string, cwd: string): Promise<boolean> {
  if (statSync(file).size === 0) return true
  // A connection could remove the log of a file that another application uses.
  if (existsSync(`${file}-wal`) || existsSync(`${file}-journal`)) return false
  try {
    accessSync(file, constants.W_OK)
    const database = await openDatabase(file, { cwd, timeoutMs: 0 })
    try {
      return database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined
    } finally {
      database.close()
    }
  } catch {
    return false
  }
}

async function openDatabase(
  file: string,
  { cwd, timeoutMs }: Pick<OpenOptions, 'cwd' | 'timeoutMs'>,
): Promise<InstanceType<SqliteDriver['default']>> {
  const owner = '@jobistemer/storage-sqlite'
  const { default: Database } = await importDependency<SqliteDriver>(owner, 'better-sqlite3', cwd)
  return new Database(file, { fileMustExist: true, timeout: timeoutMs })
}

/**
 * Checks that a file contains the tables of a storage. The storage would create missing tables, so a mistyped prefix
 * would add tables to the database of the user's application.
 * @throws CliError `STORAGE_MISSING`; errors of SQLite
 */
async function checkTables(
  file: string,
  prefix: string,
  options: Pick<OpenOptions, 'cwd' | 'timeoutMs'>,
): Promise<void> {
  const database = await openDatabase(file, options)
  try {
    const search = database.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?')
    if (search.get(`${prefix}jobistemer_schema`) !== undefined) return
  } finally {
    database.close()
  }
  throw new CliError({
    code: 'STORAGE_MISSING',
    message: `The file ${file} has no tables of Jobistemer with the prefix ${JSON.stringify(prefix)}.`,
    field: '--prefix',
    remedy: 'Give the tablePrefix of the schedulers. If they have none, leave --prefix out.',
    exitCode: exitCodes.storage,
  })
}

async function openRedis(url: string, { cwd, prefix, timeoutMs, logger }: OpenOptions): Promise<Storage> {
  const { redisStorage } = await importPackage<RedisPackage>('@jobistemer/storage-redis', {
    cwd,
    install: '@jobistemer/storage-redis ioredis',
  })
  // The timeout of a Redis command is shorter than the timeout of the client's call. So if Redis does not answer, the
  // caller receives the error of the storage and not a timeout of the client.
  const commandTimeout = Math.max(2, Math.min(5000, Math.floor(timeoutMs * 0.8)))
  const waitTimeout = Math.min(1000, commandTimeout - 1)
  return redisStorage({ url, commandTimeout, waitTimeout, logger, ...(prefix !== undefined && { prefix }) })
}

async function openPostgres(url: string, options: OpenOptions): Promise<Storage> {
  const { postgresStorage } = await postgresWithDriver(options)
  // Turns `migrate` off unless `isNew` is set. If `migrate` were on, a mistyped database name would get a new schema without
  // jobs.
  return postgresStorage({ ...placeOf(url, options), ...(options.isNew !== true && { migrate: false }) })
}

/** Inspects a PostgreSQL server and its database. Returns the result for `doctor`. */
export async function inspectPostgres(url: string, options: OpenOptions): Promise<PostgresInspection> {
  const { inspectPostgres } = await postgresWithDriver(options)
  return await inspectPostgres(placeOf(url, options))
}

/** Imports the adapter, and reports a missing `pg` before the adapter opens a connection. */
async function postgresWithDriver({ cwd }: OpenOptions): Promise<PostgresPackage> {
  const adapter = await postgresPackage({ cwd })
  await importDependency('@jobistemer/storage-postgres', 'pg', cwd)
  return adapter
}

/** Imports the adapter, which prints SQL also without `pg`. */
export async function postgresPackage({ cwd }: Pick<OpenOptions, 'cwd'>): Promise<PostgresPackage> {
  return await importPackage<PostgresPackage>('@jobistemer/storage-postgres', {
    cwd,
    install: '@jobistemer/storage-postgres pg',
  })
}

function placeOf(url: string, { prefix, timeoutMs, logger }: OpenOptions): PostgresPlace {
  // The timeout of an SQL command is shorter than the timeout of the client's call or the inspection. So if the server
  // does not answer, the caller receives the error of the storage and not a timeout error.
  const commandTimeout = Math.max(1, Math.floor(timeoutMs * 0.8))
  return { url, commandTimeout, logger, ...(prefix !== undefined && { schema: prefix }) }
}

async function openDynamoDB(
  { table, endpoint, region }: Extract<Location, { readonly kind: 'dynamodb' }>,
  { cwd, prefix, timeoutMs }: OpenOptions,
): Promise<Storage> {
  const install = '@jobistemer/storage-dynamodb @aws-sdk/client-dynamodb'
  const [{ dynamodbStorage }, { DynamoDBClient }] = await Promise.all([
    importPackage<DynamoDBPackage>('@jobistemer/storage-dynamodb', { cwd, install }),
    importPackage<AwsPackage>('@aws-sdk/client-dynamodb', { cwd, install }),
  ])
  const client = new DynamoDBClient({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
  })
  const requestTimeout = Math.max(1, Math.floor(timeoutMs * 0.4))
  const storage = dynamodbStorage({
    client,
    tableName: table,
    requestTimeout,
    retryTimeout: requestTimeout,
    ...(prefix !== undefined && { prefix }),
  })
  const close = storage.close.bind(storage)
  return Object.assign(storage, {
    close: async () => {
      await close()
      client.destroy()
    },
  })
}
