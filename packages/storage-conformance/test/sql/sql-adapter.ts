import { readFileSync } from 'node:fs'
import * as core from '@jobistemer/core'
import * as protocol from '@jobistemer/core/storage'
import type { Storage } from '@jobistemer/core/storage'
import pg from 'pg'
import type { DeclaredCapabilities, StorageWorld } from '../../src/index.ts'

const source = readFileSync(new URL('./sql-storage.js', import.meta.url), 'utf8')
const modules: Readonly<Record<string, object>> = { '@jobistemer/core': core, '@jobistemer/core/storage': protocol }

/** The exports of sql-storage.js. */
interface SqlAdapter {
  createTables(schema: string): string
  sqlStorage(options: { pool: pg.Pool; schema: string; listen?: () => Promise<pg.Client> }): Storage
}

/** A changed line of the adapter: a part of the original line, and its faulty replacement. */
export interface LineChange {
  /** A part of one line, which must occur exactly once in the adapter. */
  readonly line: string
  readonly becomes: string
}

/**
 * Returns the adapter with one changed line.
 * @throws Error if the line does not occur, or occurs more than once
 */
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

/** The capabilities of the unchanged adapter. */
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

/**
 * Creates a separate schema with the adapter's tables. The schema is not removed, because the server is stopped after
 * the tests.
 */
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
    // Ignores errors: if a fault leaves the connection open, the client emits an error when the server stops.
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
    // Does not wait for `end`, because a fault may never release connections.
    dispose: async () => ownPools.forEach((own) => void own.end().catch(() => undefined)),
  }
}

/** Opens a pool whose callers time out after 5 s, so that tests do not hang if a fault never releases connections. */
export function openPool(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => {})
  // Ignores errors: if a fault holds a connection, its client emits an error when the server stops.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
