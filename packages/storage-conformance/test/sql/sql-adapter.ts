import { readFileSync } from 'node:fs'
import * as core from '@jobistemer/core'
import * as protocol from '@jobistemer/core/storage'
import type { Storage } from '@jobistemer/core/storage'
import pg from 'pg'
import type { DeclaredCapabilities, StorageWorld } from '../../src/index.ts'

const source = readFileSync(new URL('./sql-storage.js', import.meta.url), 'utf8')
const modules: Readonly<Record<string, object>> = { '@jobistemer/core': core, '@jobistemer/core/storage': protocol }

/** What sql-storage.js exports. */
interface SqlAdapter {
  createTables(schema: string): string
  sqlStorage(options: { pool: pg.Pool; schema: string; listen?: () => Promise<pg.Client> }): Storage
}

/** A line of the adapter, and what a fault writes in its place. */
export interface LineChange {
  /** Part of one line, which occurs once. */
  readonly line: string
  readonly becomes: string
}

/** The adapter with one line changed. @throws Error if the line does not occur, or more than once */
export function adapterWith(change: LineChange | null): SqlAdapter {
  const parts = change === null ? [] : source.split(change.line)
  if (change !== null && parts.length !== 2) {
    throw new Error(`the adapter has this line ${parts.length - 1} times: ${change.line}`)
  }
  const changed = change === null ? source : parts.join(change.becomes)
  const body = changed
    .replaceAll(/^import (.+) from '(.+)'$/gm, 'const $1 = modules[$2]')
    .replaceAll(/modules\[(.+)\]/g, "modules['$1']")
    .replaceAll(/^export /gm, '')
  const make = new Function('modules', `${body}\nreturn { createTables, sqlStorage }`) as (given: object) => SqlAdapter
  return make(modules)
}

/** What the intact adapter can do. */
export const sqlCapabilities: DeclaredCapabilities = {
  multiProcess: true,
  durability: 'power',
  findsDueJobs: true,
  takesNext: true,
  serverTime: true,
  subscribe: true,
  server: true,
}

let schemas = 0

/** A schema of its own with the tables of this adapter. It stays: the server goes after the tests. */
export async function sqlWorld(
  { createTables, sqlStorage }: SqlAdapter,
  { pool, url }: { readonly pool: pg.Pool; readonly url: string },
): Promise<StorageWorld> {
  const schema = `kit_${process.pid}_${++schemas}`
  await pool.query(createTables(schema))
  const { hostname: host, port } = new URL(url)
  const ownPools: pg.Pool[] = []
  const listen = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url })
    // The server ends a connection that a fault leaves open.
    client.on('error', () => {})
    await client.connect()
    return client
  }
  return {
    connect: async () => sqlStorage({ pool, schema, listen }),
    processes: { module: new URL('./connect.mjs', import.meta.url), argument: { url, schema } },
    server: {
      host,
      port: Number(port),
      async connect(address) {
        const own = openPool(`postgres://postgres@${address.host}:${address.port}/postgres`, 2)
        ownPools.push(own)
        return sqlStorage({ pool: own, schema })
      },
    },
    // A fault may have kept connections, and `end` would wait for them.
    dispose: async () => ownPools.forEach((own) => void own.end().catch(() => undefined)),
  }
}

/** A pool whose callers give up after 5 s, so that a fault that keeps all connections does not hang. */
export function openPool(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => {})
  // A fault may keep a connection until the server stops.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
