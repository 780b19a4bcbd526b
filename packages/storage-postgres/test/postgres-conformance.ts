import { storageConformance } from '@jobistemer/storage-conformance'
import pg from 'pg'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type PostgresStorageOptions, postgresStorage } from '../src/index.ts'
import { furtherKind, isThorough, kitEffort } from '../../workspace/test-effort.ts'
import { beginTransaction } from './user-transaction.ts'
import { Worlds } from './worlds.ts'

/** A time limit that no call exceeds on a busy machine. The cases do not test the limit. */
const patient = { commandTimeout: 60_000 } as const

const nearlyEqual = /^texts: .* nearly equal/
const names = /^texts: jobs are not mixed up whose names are nearly equal/

/**
 * Returns the test function for a further kind of PostgreSQL. In `npm test`, names of jobs alone show that this kind
 * compares texts exactly: the other texts have the same type and collation. On the first kind, `npm test` compares all texts.
 */
export function furtherPostgres(): ReturnType<typeof furtherKind> {
  const further = furtherKind(it)
  return (name, body, timeoutMs) =>
    !isThorough && nearlyEqual.test(name) && !names.test(name) ? undefined : further(name, body, timeoutMs)
}

/**
 * Runs the conformance kit against the server that `start` starts. With `isFurther`, runs only the cases that depend on the
 * kind of server. Default: all cases.
 */
export function postgresConformance(
  name: string,
  start: () => Promise<{ readonly url: string; stop(): Promise<void> }>,
  settings: Pick<PostgresStorageOptions, 'wakeUps'> = {},
  isFurther = false,
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
    it: isFurther ? furtherPostgres() : it,
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
    ...(isFurther ? kitEffort(0.05) : kitEffort(0.2, 0.1)),
    open() {
      return worlds.open(
        async (schema) => postgresStorage({ pool, schema, ...patient, ...settings }),
        (schema) => ({
          module: new URL('./fixtures/connect.mjs', import.meta.url),
          argument: { url: server.url, schema, ...patient, ...settings },
        }),
        () => beginTransaction(server.url),
      )
    },
  })
}
