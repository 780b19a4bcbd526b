import { PGlite } from '@electric-sql/pglite'
import { storageConformance } from '@jobistemer/storage-conformance'
import { afterAll, beforeAll, describe } from 'vitest'
import { postgresStorage } from '../src/index.ts'
import { kitEffort } from '../../workspace/test-effort.ts'
import { furtherPostgres } from './postgres-conformance.ts'
import { Worlds } from './worlds.ts'

let client: PGlite
let worlds: Worlds

beforeAll(async () => {
  client = await PGlite.create()
  worlds = new Worlds((text) => client.query(text))
})

afterAll(() => client?.close())

storageConformance({
  describe,
  it: furtherPostgres(),
  name: 'pglite',
  capabilities: {
    findsDueJobs: true,
    takesNext: true,
    serverTime: true,
    subscribe: true,
  },
  ...kitEffort(0.05),
  open() {
    return worlds.open(async (schema) => postgresStorage({ client, schema }))
  },
})
