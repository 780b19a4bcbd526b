import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { JsonValue } from '@jobistemer/core'
import type { StorageWorld, WorldTransaction } from '@jobistemer/storage-conformance'
import { CliError } from '../cli-error.ts'
import { exitCodes } from '../exit-codes.ts'
import { importPackage } from '../storage/import-package.ts'
import type { Location } from '../storage/location.ts'
import { type OpenOptions, openStorage } from '../storage/open-storage.ts'
import type { ConnectArgument } from './connect.ts'
import { type PgClient, postgresTransactions, sqliteTransactions } from './transactions.ts'

/** Creates databases, tables or keys for conformance cases, at the location of a storage but separate from its data. */
export interface Ground {
  /** Describes where the test data are stored, as text for the output. */
  readonly place: string
  /** Creates an empty test database for one conformance case. */
  open(): Promise<StorageWorld>
  /** Removes the test data of all conformance cases. */
  remove(): Promise<void>
}

// The module that child processes of the conformance kit import. The children run plain JavaScript. So if `ground.ts` runs as
// TypeScript, as in tests of this package, the URL is that of the built file.
const connectModule = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/conformance/connect.js' : './connect.js',
  import.meta.url,
)

/**
 * Creates separate storage for test cases at a location. Neither reads nor writes existing data.
 * @throws CliError
 */
export async function groundAt(location: Location, options: OpenOptions): Promise<Ground> {
  switch (location.kind) {
    case 'sqlite':
      return await groundInFolder(location.file, options)
    case 'redis':
      return groundUnderPrefix(location, options)
    case 'postgres':
      return groundInSchemas(location, options)
    case 'dynamodb':
      return groundInTable(location, options)
  }
}

/** Returns random digits that make a name unique. */
function ownDigits(): string {
  return String(randomInt(10 ** 10, 10 ** 11))
}

/**
 * Returns a function that opens a new test database at each call. `placeOf` returns the location and the prefix of the
 * n-th test database, counted from 1.
 */
function worldsAt(
  options: OpenOptions,
  placeOf: (number: number) => {
    readonly location: Location
    readonly prefix: string | undefined
    readonly beginTransaction?: () => Promise<WorldTransaction>
  },
): () => Promise<StorageWorld> {
  let worlds = 0
  return async () => {
    const { location, prefix, beginTransaction } = placeOf(++worlds)
    const argument: ConnectArgument = {
      location,
      prefix: prefix ?? null,
      cwd: options.cwd,
      folder: options.folder,
      timeoutMs: options.timeoutMs,
    }
    return {
      connect: () => openStorage(location, { ...options, prefix, isNew: true }),
      // Does nothing, because `Ground.remove` removes all test data at the end.
      dispose: async () => undefined,
      processes: { module: connectModule, argument: argument as unknown as JsonValue },
      ...(beginTransaction !== undefined && { beginTransaction }),
    }
  }
}

async function groundInFolder(file: string, options: OpenOptions): Promise<Ground> {
  const beside = dirname(resolve(options.folder, file))
  if (!existsSync(beside)) {
    throw new CliError({
      code: 'STORAGE_MISSING',
      message: `There is no folder ${beside}.`,
      field: '--storage',
      remedy: 'Give a file in a folder that is there; the file itself is not touched.',
      exitCode: exitCodes.storage,
    })
  }
  const transactions = await sqliteTransactions(options.cwd)
  // The test files are on the disk of the user's database, because the conformance cases also test that disk.
  const folder = join(beside, `jobistemer-conformance-${ownDigits()}`)
  mkdirSync(folder)
  return {
    place: `the new folder ${relative(options.cwd, folder)}`,
    open: worldsAt(options, (number) => {
      const world = join(folder, `${number}.db`)
      return {
        location: { kind: 'sqlite', file: world },
        prefix: options.prefix,
        beginTransaction: () => transactions(world),
      }
    }),
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

interface RedisPackage {
  readonly Redis: new (
    url: string,
  ) => {
    scanBuffer(cursor: string, ...rest: readonly (string | number)[]): Promise<[cursor: Buffer, keys: Buffer[]]>
    unlink(...keys: readonly Buffer[]): Promise<number>
    on(event: 'error', listener: () => void): unknown
    disconnect(): void
  }
}

async function groundUnderPrefix(
  location: Extract<Location, { readonly kind: 'redis' }>,
  options: OpenOptions,
): Promise<Ground> {
  // The test prefix begins with the user's prefix, because the server may grant access by prefix.
  const prefix = `${options.prefix ?? 'jobistemer'}-conformance-${ownDigits()}`
  const install = '@jobistemer/storage-redis ioredis'
  const { Redis } = await importPackage<RedisPackage>('ioredis', { cwd: options.cwd, install })
  return {
    place: `keys that begin with {${prefix}`,
    open: worldsAt(options, (number) => ({ location, prefix: `${prefix}-${number}` })),
    async remove() {
      const client = new Redis(location.url)
      // Without a listener, ioredis would print each connection error. The failed call below reports the error.
      client.on('error', () => undefined)
      try {
        for (let cursor = '0', isDone = false; !isDone; isDone = cursor === '0') {
          // Reads keys as buffers, because keys contain the bytes of ids.
          const [next, keys] = await client.scanBuffer(cursor, 'MATCH', `{${prefix}-*`, 'COUNT', 1000)
          if (keys.length > 0) await client.unlink(...keys)
          cursor = next.toString()
        }
      } finally {
        client.disconnect()
      }
    },
  }
}

interface PgPackage {
  readonly default: { readonly Client: new (options: { readonly connectionString: string }) => PgClient }
}

async function groundInSchemas(
  location: Extract<Location, { readonly kind: 'postgres' }>,
  options: OpenOptions,
): Promise<Ground> {
  // A schema name in PostgreSQL has at most 63 bytes.
  const schema = `jobistemer_conformance_${ownDigits()}`
  const install = '@jobistemer/storage-postgres pg'
  const { default: pg } = await importPackage<PgPackage>('pg', { cwd: options.cwd, install })
  const beginTransaction = postgresTransactions(() => new pg.Client({ connectionString: location.url }))
  return {
    place: `schemas that begin with ${schema}`,
    open: worldsAt(options, (number) => ({ location, prefix: `${schema}_${number}`, beginTransaction })),
    async remove() {
      const client = new pg.Client({ connectionString: location.url })
      await client.connect()
      try {
        const { rows } = await client.query(
          'SELECT quote_ident(nspname) AS name FROM pg_namespace WHERE starts_with(nspname::text, $1)',
          [`${schema}_`],
        )
        // Drops one schema after the other, because many concurrent `DROP` statements need more locks than a server has.
        for (const { name } of rows) await client.query(`DROP SCHEMA ${name} CASCADE`)
      } finally {
        await client.end()
      }
    },
  }
}

interface DynamoDBPackage {
  createTable(options: { readonly client: object; readonly tableName: string }): Promise<void>
}

interface AwsPackage {
  readonly DynamoDBClient: new (options: {
    readonly endpoint?: string
    readonly region?: string
  }) => {
    send(command: object): Promise<unknown>
    destroy(): void
  }
  readonly DeleteTableCommand: new (input: { readonly TableName: string }) => object
}

async function groundInTable(
  location: Extract<Location, { readonly kind: 'dynamodb' }>,
  options: OpenOptions,
): Promise<Ground> {
  const tableName = `${location.table}-conformance-${ownDigits()}`
  const { endpoint, region } = location
  const { cwd } = options
  const install = '@jobistemer/storage-dynamodb @aws-sdk/client-dynamodb'
  const [{ createTable }, { DynamoDBClient, DeleteTableCommand }] = await Promise.all([
    importPackage<DynamoDBPackage>('@jobistemer/storage-dynamodb', { cwd, install }),
    importPackage<AwsPackage>('@aws-sdk/client-dynamodb', { cwd, install }),
  ])
  const client = new DynamoDBClient({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
  })
  try {
    await createTable({ client, tableName })
  } catch (error) {
    client.destroy()
    throw error
  }
  return {
    place: `the new table ${tableName}`,
    open: worldsAt(options, (number) => ({ location: { ...location, table: tableName }, prefix: `world-${number}` })),
    async remove() {
      try {
        await client.send(new DeleteTableCommand({ TableName: tableName }))
      } finally {
        client.destroy()
      }
    },
  }
}
