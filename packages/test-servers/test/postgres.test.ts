import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { type PostgresServer, sharedPostgres, startPgBouncer, startPostgres } from '../src/index.ts'

const cleanUps: (() => unknown)[] = []

/** A durable server and a quick server, which all tests of this file share. */
let durable: PostgresServer
let quick: PostgresServer

beforeAll(async () => {
  durable = await startPostgres({ config: { application_name: "it's" } })
  quick = await startPostgres({ quick: true, config: { synchronous_commit: 'on' } })
})

afterAll(async () => {
  await durable?.stop()
  await quick?.stop()
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function started(options: Parameters<typeof startPostgres>[0] = {}): Promise<PostgresServer> {
  const server = await startPostgres(options)
  cleanUps.push(() => server.stop())
  return server
}

async function client(target: string): Promise<Client> {
  const connection = new Client(target)
  connection.on('error', () => {})
  cleanUps.push(() => connection.end())
  await connection.connect()
  return connection
}

/** Runs a query and returns the only value of its only row. */
async function ask(target: string, query: string): Promise<unknown> {
  const connection = new Client(target)
  connection.on('error', () => {})
  try {
    await connection.connect()
    const { rows } = await connection.query({ text: query, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await connection.end()
  }
}

it('PostgreSQL runs as a user other than root, answers on its port and its socket, and leaves no files behind', async () => {
  const server = await started()
  expect(await ask(server.url, 'SELECT inet_server_port()')).toBe(server.port)
  expect(await ask(server.socketUrl, 'SELECT inet_server_port()')).toBeNull()
  const { socketFolder, directory } = server
  const owner = statSync(join(directory, 'data')).uid
  expect(owner).not.toBe(0)
  if (process.getuid?.() !== 0) expect(owner).toBe(process.getuid?.())
  const open = await client(server.url)
  const ended = new Promise((resolve) => open.once('end', resolve))
  await server.stop()
  await ended
  await expect(ask(server.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/)
  expect([socketFolder, directory].filter(existsSync)).toEqual([])
})

it('two PostgreSQL servers share no data, and each has its own durability and configuration', async () => {
  const settings = "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit')"
  expect([await ask(durable.url, settings), await ask(quick.url, settings)]).toEqual(['on on', 'off on'])
  await ask(durable.url, 'CREATE TABLE things ()')
  expect(await ask(quick.url, "SELECT to_regclass('things')::text")).toBeNull()
  expect(await ask(durable.url, "SELECT reset_val FROM pg_settings WHERE name = 'application_name'")).toBe("it's")
})

it('a killed PostgreSQL restarts on the same port with all committed data', async () => {
  await ask(durable.url, 'CREATE TABLE kept AS SELECT 1 AS id')
  const { pid } = durable
  await durable.kill()
  await expect(ask(durable.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/)
  await durable.restart()
  expect(durable.pid).not.toBe(pid)
  expect(await ask(durable.url, 'SELECT id FROM kept')).toBe(1)
})

it('data in a given folder remain after PostgreSQL has stopped', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-test-'))
  cleanUps.push(() => rmSync(folder, { recursive: true }))
  const first = await started({ directory: folder })
  await ask(first.url, 'CREATE TABLE things AS SELECT 1 AS id')
  await first.stop()
  expect(existsSync(first.socketFolder)).toBe(false)
  const second = await started({ directory: folder })
  expect(await ask(second.url, 'SELECT id FROM things')).toBe(1)
})

it.runIf(process.getuid?.() === 0)(
  'startPostgres as root rejects, and the error lists the folders that the server’s user must be able to reach',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-test-'))
    cleanUps.push(() => rmSync(folder, { recursive: true }))
    await expect(startPostgres({ directory: join(folder, 'postgres') })).rejects.toThrow(
      /Permission denied.*chmod o\+x/s,
    )
  },
)

it('startPostgres rejects with PostgreSQL’s output if the server rejects its configuration', async () => {
  await expect(startPostgres({ config: { work_mem: 'much' } })).rejects.toThrow(/work_mem/)
})

it('tests share one PostgreSQL server if an environment variable names this server', async () => {
  cleanUps.push(() => vi.unstubAllEnvs())
  vi.stubEnv('JOBISTEMER_TEST_POSTGRES_URL', quick.url)
  const shared = await sharedPostgres()
  expect(shared.url).toBe(quick.url)
  await shared.stop()
  expect(await ask(quick.url, 'SELECT 1')).toBe(1)
  vi.stubEnv('JOBISTEMER_TEST_POSTGRES_URL', '')
  const own = await sharedPostgres()
  cleanUps.push(() => own.stop())
  expect(own.url).not.toBe(quick.url)
})

it('clients of PgBouncer share a connection in transaction mode, and have separate connections in session mode', async () => {
  const processes = async (poolMode: 'transaction' | 'session') => {
    const pooler = await startPgBouncer({ to: quick, poolMode })
    cleanUps.push(() => pooler.stop())
    const [one, other] = [await client(pooler.url), await client(pooler.url)]
    const pids: unknown[] = []
    for (const connection of [one, other]) {
      const { rows } = await connection.query('SELECT pg_backend_pid() AS pid')
      pids.push(rows[0].pid)
    }
    return new Set(pids).size
  }
  expect([await processes('transaction'), await processes('session')]).toEqual([1, 2])
})

it('a killed PgBouncer restarts, a stopped PgBouncer ends, and an invalid configuration makes the start reject', async () => {
  const pooler = await startPgBouncer({ to: quick })
  cleanUps.push(() => pooler.stop())
  await pooler.kill()
  await expect(ask(pooler.url, 'SELECT 1')).rejects.toThrow()
  await pooler.restart()
  expect(await ask(pooler.url, 'SELECT 1')).toBe(1)
  await pooler.stop()
  await expect(ask(pooler.url, 'SELECT 1')).rejects.toThrow()
  await expect(startPgBouncer({ to: quick, config: { pool_mode: 'sometimes' } })).rejects.toThrow(/pool_mode/)
})
