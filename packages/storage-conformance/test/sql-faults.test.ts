import { type PostgresServer, startPostgres } from '@jobistemer/test-servers'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StorageCase, storageCases, storageConformance, withWorld } from '../src/index.ts'
import { isThorough, kitEffort } from '../../workspace/test-effort.ts'
import { adapterWith, openPool, sqlCapabilities, sqlWorld } from './sql/sql-adapter.ts'
import { type SqlFault, sqlFaults } from './sql/sql-faults.ts'

let server: PostgresServer
let pool: pg.Pool

beforeAll(async () => {
  server = await startPostgres({ quick: true })
  pool = openPool(server.url, 10)
})

afterAll(async () => {
  await pool?.end()
  await server?.stop()
})

const cases = new Map<string, StorageCase>(storageCases(sqlCapabilities, kitEffort(0.5)).map((one) => [one.name, one]))

function caseNamed(name: string): StorageCase {
  const found = cases.get(name)
  if (found === undefined) throw new Error(`there is no case "${name}"`)
  return found
}

const faults = Object.entries(sqlFaults).flatMap(([subject, list]) => list.map((fault) => ({ ...fault, subject })))
const noticed = faults.flatMap(({ noticedBy, ...fault }) => (noticedBy === null ? [] : [{ ...fault, noticedBy }]))
/** `npm test` tries the first fault of each subject, and `npm run test:extra` tries all faults. */
const tried = noticed.filter(
  ({ subject, name }) => isThorough || noticed.find((first) => first.subject === subject)?.name === name,
)

/**
 * Runs a case on the adapter with a fault. Uses a separate connection pool, because the fault may keep its connections forever.
 */
async function runFaulty(fault: SqlFault, { run }: Pick<StorageCase, 'run'>): Promise<void> {
  const own = openPool(server.url, 10)
  try {
    await withWorld(() => sqlWorld(adapterWith(fault), { pool: own, url: server.url }), run)
  } finally {
    // The test does not wait for `end`. If the fault has already ended the pool, `end` rejects. If the fault never releases a
    // connection, `end` never settles.
    void own.end().catch(() => undefined)
  }
}

describe('the one-line faults of an SQL adapter', () => {
  it('are 54 in number; the kit reports at least 50 of them, and the table of faults gives a reason for each unreported fault', () => {
    expect(faults).toHaveLength(54)
    expect(noticed.length).toBeGreaterThanOrEqual(50)
    const outOfReach = faults.filter(({ noticedBy }) => noticedBy === null)
    expect(outOfReach.filter(({ reason = '' }) => reason === '')).toEqual([])
    expect(faults.filter(({ line }) => line.includes('\n'))).toEqual([])
    for (const fault of faults) expect(() => adapterWith(fault)).not.toThrow()
  })

  it.concurrent.each(tried)(
    'are detected: the cases of the group $subject fail for an adapter that $name',
    async (fault) => {
      const storageCase = caseNamed(fault.noticedBy)
      let failure: unknown = null
      // In a race, or because of a late wake-up, a case may miss the fault in a single run. So such a case runs up to five
      // times, until it detects the fault.
      const runs = storageCase.depth === 'races' || fault.subject === 'wake-ups' ? 5 : 1
      for (let run = 1; run <= runs && failure === null; run++) {
        failure = await runFaulty(fault, storageCase).then(
          () => null,
          (error: unknown) => error,
        )
      }
      expect(failure, 'the fault was not noticed').toBeInstanceOf(Error)
    },
  )
})

if (isThorough) {
  storageConformance({
    describe,
    it,
    name: 'the intact SQL adapter',
    capabilities: sqlCapabilities,
    ...kitEffort(0.2),
    open: () => sqlWorld(adapterWith(null), { pool, url: server.url }),
  })
} else {
  describe('the SQL adapter without a fault passes this case of the conformance kit', () => {
    it.each([...new Set(tried.map(({ noticedBy }) => noticedBy))])('%s', async (name) => {
      await withWorld(
        () => sqlWorld(adapterWith(null), { pool, url: server.url }),
        (world) => caseNamed(name).run(world),
      )
    })
  })
}
