import pg from 'pg'
import { expect, it } from 'vitest'
import { type PostgresStorageOptions, postgresStorage } from '../src/index.ts'

const pool = new pg.Pool()
const client = { query: async () => ({ rows: [] }) }

it.each<readonly [unknown, string, string]>([
  [undefined, 'INVALID_ARGUMENT', 'options'],
  ['postgres://user:secret#1@host/db', 'INVALID_ARGUMENT', 'options'],
  [[], 'INVALID_ARGUMENT', 'options'],
  [{}, 'INVALID_ARGUMENT', 'pool'],
  [{ pool, url: 'postgres://localhost' }, 'INVALID_ARGUMENT', 'pool'],
  [{ pool: {} }, 'INVALID_ARGUMENT', 'pool'],
  [{ pool: null }, 'INVALID_ARGUMENT', 'pool'],
  [{ pool: new pg.Client() }, 'INVALID_ARGUMENT', 'pool'],
  [{ client: {} }, 'INVALID_ARGUMENT', 'client'],
  [{ client: pool }, 'INVALID_ARGUMENT', 'client'],
  [{ url: 'localhost' }, 'INVALID_ARGUMENT', 'url'],
  [{ url: 'mysql://localhost' }, 'INVALID_ARGUMENT', 'url'],
  [{ url: 'postgres://user:%zz@localhost' }, 'INVALID_ARGUMENT', 'url'],
  [{ url: 5 }, 'INVALID_ARGUMENT', 'url'],
  [{ pool, schema: '' }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 'a\0' }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 'a\nb' }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 'a\u007f' }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 'a\u2028b' }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 'pg_mine' }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 'information_schema' }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 'ü'.repeat(32) }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, schema: 7 }, 'INVALID_ARGUMENT', 'schema'],
  [{ pool, migrate: 'no' }, 'INVALID_ARGUMENT', 'migrate'],
  [{ pool, wakeUps: 0 }, 'INVALID_ARGUMENT', 'wakeUps'],
  [{ pool, commandTimeout: 0 }, 'INVALID_DURATION', 'commandTimeout'],
  [{ pool, commandTimeout: 'soon' }, 'INVALID_DURATION', 'commandTimeout'],
  [{ pool, logger: {} }, 'INVALID_ARGUMENT', 'logger'],
  [{ pool, connectionString: 'postgres://user:secret@host' }, 'UNKNOWN_OPTION', 'connectionString'],
])('postgresStorage refuses the options %j', (options, code, field) => {
  let error: unknown
  try {
    postgresStorage(options as PostgresStorageOptions)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({ code, field, remedy: expect.stringMatching(/\.$/) })
  expect(String(error)).not.toContain('secret')
})

it('the error for a URL of another database names the accepted schemes, and hides the password', () => {
  expect(() => postgresStorage({ url: 'mysql://user:secret@host/db' })).toThrow(
    'url does not begin with postgres: or postgresql:: "mysql://***@host/db". Write one that does.',
  )
})

it('a schema name may have 63 bytes', () => {
  expect(postgresStorage({ client, schema: `${'ü'.repeat(31)}a` }).specVersion).toBe(1)
})

it('the capabilities and the member `subscribe` of a PostgreSQL storage depend on the kind of its connections', () => {
  const shared = { maxBatch: 500, findsDueJobs: true, takesNext: true }
  const server = { ...shared, worthwhileBatch: 100, multiProcess: true, durability: 'power' }
  expect(postgresStorage({ pool })).toMatchObject({ capabilities: server, subscribe: expect.any(Function) })
  expect(postgresStorage({ url: 'postgres://localhost/db' })).toMatchObject({ subscribe: expect.any(Function) })
  expect(postgresStorage({ url: 'postgres://user@/db?host=/run/postgresql' }).capabilities).toEqual(server)
  expect(postgresStorage({ pool, wakeUps: false }).subscribe).toBeUndefined()
  expect(postgresStorage({ client }).subscribe).toBeUndefined()
  // Like a PGlite, this client has its own method `listen`. A PGlite whose data are in a folder also has a member
  // `dataDir`.
  const lite = { ...client, listen: async () => async () => {} }
  const embedded = { ...shared, multiProcess: false }
  expect(postgresStorage({ client: lite }).capabilities).toEqual({ ...embedded, durability: 'none' })
  const inFolder = postgresStorage({ client: Object.assign({ dataDir: './data' }, lite) })
  expect(inFolder.capabilities).toEqual({ ...embedded, durability: 'process' })
  expect(inFolder.subscribe).toBeTypeOf('function')
})
