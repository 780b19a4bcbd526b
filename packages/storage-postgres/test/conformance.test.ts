import { storageConformance } from '@jobistemer/storage-conformance'
import pg from 'pg'
import { describe, it } from 'vitest'
import { postgresStorage } from '../src/index.ts'

const url = process.env.PGURL as string
const pool = new pg.Pool({ connectionString: url, max: 12 })
let worlds = 0
storageConformance({
  describe,
  it,
  name: 'postgres',
  capabilities: { multiProcess: true, durability: 'power', findsDueJobs: true, takesNext: true, serverTime: true },
  async open() {
    const schema = `w${process.pid}_${++worlds}`
    return {
      connect: async () => postgresStorage({ pool, schema }),
      dispose: async () => {
        await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      },
      processes: { module: new URL('./fixtures/connect.mjs', import.meta.url), argument: { url, schema } },
    }
  },
})
