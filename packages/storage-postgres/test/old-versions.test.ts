import type { JobId } from '@jobistemer/core'
import { addJob, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { beforeEach, expect, it } from 'vitest'
import type { Database } from '../src/database.ts'
import { forget } from '../src/remove-history.ts'
import { useSchemas } from './schemas.ts'

const { connection, open, pool, query, schema: newSchema } = useSchemas()

let schema: string
let id: JobId
let sent: string[]

const database = {
  query: async (text: string, values: readonly unknown[]) => {
    sent.push(text)
    return await query(text, [...values])
  },
} as unknown as Database

beforeEach(async () => {
  schema = newSchema()
  sent = []
  const storage = open({ pool: pool(), schema, wakeUps: false })
  id = (await addJob(storage, 'alpha')).id
})

const uuid = () => id.slice(4)

/** Adds versions to the job. The last one is in force. */
async function addVersions(...versions: readonly number[]): Promise<void> {
  await query(`DELETE FROM ${schema}.versions`)
  await query(`INSERT INTO ${schema}.versions SELECT $1, version, 0, 'f', '{}' FROM unnest($2::integer[]) version`, [
    uuid(),
    versions,
  ])
  await query(`UPDATE ${schema}.heads SET version = $1`, [versions.at(-1)])
}

const versionsLeft = async () =>
  (await query(`SELECT version FROM ${schema}.versions ORDER BY version`)).map(({ version }) => version)

/** Adds `count` finished occurrences of a version, one minute apart, from the instant `from` on. */
async function addHistory(version: number, count: number, from: number): Promise<void> {
  await query(
    `INSERT INTO ${schema}.history (id, job, scheduled_at, state, kind, token, sequence, rescues, job_version, due_at, created_at,
       timeout, finished_at)
     SELECT gen_random_uuid(), $1, ${from} + n * ${minute}, 5, 0, 1, 1, 0, ${version}, 0, 0, 0, 0 FROM generate_series(1, ${count}) n`,
    [uuid()],
  )
}

it('the removal of old job versions reads only the first occurrences of a job if the job’s oldest version still has occurrences', async () => {
  await addVersions(1, 2, 3)
  await addHistory(1, 30_000, 0)
  await forget(database, schema, id, 0)
  expect(sent.filter((text) => text.includes('.history'))).toEqual([expect.stringContaining('LIMIT 100')])
  expect(await versionsLeft()).toEqual([1, 2, 3])
})

it('job versions without occurrences are removed, even while the job’s head is locked', async () => {
  await addVersions(1, 2, 3, 4, 5)
  // Version 3 has one occurrence, which is on the last page. So the search for unused versions must read all pages. Version 5
  // has many occurrences at the same instant, so some pages end between occurrences with equal instants.
  await addHistory(5, 12_000, 0)
  await addHistory(3, 1, 20_000 * minute)
  await query(`UPDATE ${schema}.history SET scheduled_at = 7 WHERE job_version = 5`)
  const client = await connection()
  await client.query(`BEGIN; SELECT FROM ${schema}.heads FOR UPDATE`)
  await forget(database, schema, id, 0)
  await client.query('COMMIT')
  expect(await versionsLeft()).toEqual([3, 5])
  for (const text of sent) expect(text).not.toMatch(/FOR UPDATE|heads h/)
})

it('a job version is kept while the job has a live occurrence of this version', async () => {
  const storage = open({ pool: pool(), schema, wakeUps: false })
  await storage.createOccurrences({ now: slotAt(1), owner, items: [{ ...slotItem(id, 1), runs: null }] })
  await addVersions(1, 2)
  await forget(database, schema, id, 0)
  expect(await versionsLeft()).toEqual([1, 2])
})
