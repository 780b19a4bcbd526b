import { type PostgresServer, startTcpProxy, type TcpProxy } from '@jobistemer/test-servers'
import pg from 'pg'
import type { Storage } from '@jobistemer/core/storage'
import { afterAll, afterEach, beforeAll, inject } from 'vitest'
import { type PostgresStorageOptions, postgresStorage } from '../src/index.ts'

let made = 0

/** Gives a test file a pool to the shared server, and schemas of its own. */
export function useSchemas() {
  const pools: pg.Pool[] = []
  const schemas: string[] = []
  const storages: Storage[] = []
  const proxies: TcpProxy[] = []
  const lent: pg.PoolClient[] = []
  let admin: pg.Pool

  function pool(options: pg.PoolConfig = {}): pg.Pool {
    const one = new pg.Pool({ connectionString: inject('postgres').url, ...options })
    // Some tests break idle connections, and an error event without a listener would end the process.
    one.on('error', () => {})
    pools.push(one)
    return one
  }

  beforeAll(() => {
    admin = new pg.Pool({ connectionString: inject('postgres').url, max: 4 })
    admin.on('error', () => {})
  })

  afterEach(async () => {
    for (const storage of storages.splice(0)) await storage.close()
    for (const client of lent.splice(0)) client.release()
    for (const one of pools.splice(0)) await one.end()
    for (const proxy of proxies.splice(0)) await proxy.close()
    for (const schema of schemas.splice(0)) await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  })

  afterAll(() => admin?.end())

  return {
    pool,
    /** Returns a connection for one test. Its open transaction ends with the test. */
    async connection(): Promise<pg.PoolClient> {
      const client = await pool({ max: 1 }).connect()
      lent.push(client)
      return client
    },
    query: async (text: string, values?: unknown[]) => (await admin.query(text, values)).rows,
    /** Returns the name of a schema that does not exist yet. The schema is removed after the test. */
    schema(): string {
      const name = `test_${process.pid}_${++made}`
      schemas.push(name)
      return name
    },
    open(options: PostgresStorageOptions): Storage {
      const storage = postgresStorage(options)
      storages.push(storage)
      return storage
    },
    async proxy(): Promise<TcpProxy & { readonly url: string }> {
      const { host, port } = inject('postgres')
      const proxy = await startTcpProxy({ host, port })
      proxies.push(proxy)
      return Object.assign(proxy, { url: urlAt(proxy) })
    },
  }
}

export function urlAt({ host, port }: Pick<PostgresServer, 'host' | 'port'>, database = 'postgres'): string {
  return `postgres://postgres@${host}:${port}/${database}`
}
