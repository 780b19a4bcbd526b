import { type EffortOptions, storageConformance } from '@jobistemer/storage-conformance'
import pg from 'pg'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type PostgresStorageOptions, postgresStorage } from '../src/index.ts'
import { kitEffort } from '../../workspace/test-effort.ts'
import { beginTransaction } from './user-transaction.ts'
import { Worlds } from './worlds.ts'

/** For places that differ from the first in little: every case, and fewer rounds of what chance decides. */
export const fewRounds: EffortOptions = kitEffort(0.05)

/** The whole kit against the server at an address. */
export function postgresConformance(
  name: string,
  start: () => Promise<{ readonly url: string; stop(): Promise<void> }>,
  settings: Pick<PostgresStorageOptions, 'wakeUps'> = {},
  effort: EffortOptions = kitEffort(0.2),
): void {
  let server: Awaited<ReturnType<typeof start>>
  let pool: pg.Pool
  let worlds: Worlds

  beforeAll(async () => {
    server = await start()
    pool = new pg.Pool({ connectionString: server.url, max: 10 })
    worlds = new Worlds((text) => pool.query(text))
  })

  afterAll(async () => {
    await pool?.end()
    await server?.stop()
  })

  storageConformance({
    describe,
    it,
    name,
    capabilities: {
      multiProcess: true,
      durability: 'power',
      findsDueJobs: true,
      takesNext: true,
      serverTime: true,
      subscribe: settings.wakeUps !== false,
      within: true,
      damage: true,
    },
    ...effort,
    open() {
      return worlds.open(
        async (schema) => postgresStorage({ pool, schema, ...settings }),
        (schema) => ({
          module: new URL('./fixtures/connect.mjs', import.meta.url),
          argument: { url: server.url, schema, ...settings },
        }),
        () => beginTransaction(server.url),
      )
    },
  })
}
