import { PGlite } from '@electric-sql/pglite'
import { storageConformance } from '@jobistemer/storage-conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { postgresStorage } from '../src/index.ts'
import { fewRounds } from './postgres-conformance.ts'

let client: PGlite
let worlds = 0

beforeAll(async () => {
  client = await PGlite.create()
})

afterAll(() => client?.close())

storageConformance({
  describe,
  it,
  name: 'pglite',
  capabilities: {
    durability: 'power',
    findsDueJobs: true,
    takesNext: true,
    serverTime: true,
    subscribe: true,
  },
  ...fewRounds,
  open() {
    const schema = `world_${++worlds}`
    return {
      connect: async () => postgresStorage({ client, schema }),
      dispose: async () => {
        await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      },
    }
  },
})
