import { type PostgresServer, startPostgres } from '@jobistemer/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { storageConformance } from '../src/index.ts'
import { kitEffort } from '../../workspace/test-effort.ts'
import { adapterWith, sqlCapabilities, sqlWorld } from './sql/sql-adapter.ts'

let server: PostgresServer
let pool: pg.Pool

beforeAll(async () => {
  server = await startPostgres({ quick: true })
  pool = new pg.Pool({ connectionString: server.url, max: 10 })
  // The server ends the connections that are still closing when it stops.
  pool.on('error', () => {})
})

afterAll(async () => {
  await pool?.end()
  await server?.stop()
})

storageConformance({
  describe,
  it,
  name: 'sql',
  capabilities: sqlCapabilities,
  ...kitEffort(0.2),
  open: () => sqlWorld(pool, server.url, adapterWith(null)),
})
