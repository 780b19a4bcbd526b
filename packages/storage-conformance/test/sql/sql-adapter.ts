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

/** A schema of its own on the server, with the tables of this adapter. */
export async function sqlWorld(
  pool: pg.Pool,
  url: string,
  { createTables, sqlStorage }: SqlAdapter,
): Promise<StorageWorld> {
  const schema = `kit_${process.pid}_${++schemas}`
  await pool.query(createTables(schema))
  const { hostname: host, port } = new URL(url)
  const ownPools = new Set<pg.Pool>()
  const listen = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return client
  }
  return {
    connect: async () => sqlStorage({ pool, schema, listen }),
    server: {
      host,
      port: Number(port),
      async connect(address) {
        const own = new pg.Pool({ connectionString: url, ...address, max: 2 })
        own.on('error', () => {})
        ownPools.add(own)
        return sqlStorage({ pool: own, schema })
      },
    },
    processes: { module: new URL('./connect.mjs', import.meta.url), argument: { url, schema } },
    async dispose() {
      await Promise.all([...ownPools].map((own) => own.end()))
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
    },
  }
}
