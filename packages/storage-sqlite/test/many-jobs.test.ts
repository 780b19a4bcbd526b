import { statSync } from 'node:fs'
import { type JobId, jobId } from '@jobistemer/core'
import type { JobChange, Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { JobTable } from '../src/job-table.ts'
import { Names } from '../src/names.ts'
import { namedTables } from '../src/schema.ts'
import { addJob, minute, start } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

let scratch: Scratch
let storage: Storage

beforeEach(() => {
  scratch = makeScratch()
  storage = sqliteStorage({ file: scratch.file })
})

afterEach(async () => {
  await storage.close()
  scratch.remove()
})

async function addMany(names: readonly string[], now: number, owner: string | null = null): Promise<readonly JobId[]> {
  const changes = names.map((name): JobChange => {
    const content = {
      name,
      owner,
      fingerprint: 'print-1',
      definition: { name },
      handlerKey: 'handlers:work',
      overlap: { policy: 'skip', maxQueued: 1000 },
      timeline: [{ after: null, until: null, schedule: { type: 'every', minutes: 1 } }],
      nextAt: now + minute,
    } as const
    return { kind: 'create', id: jobId(name), content }
  })
  for (let first = 0; first < changes.length; first += 250) {
    await storage.saveJobs({ now, changes: changes.slice(first, first + 250) })
  }
  return changes.map(({ id }) => id).sort()
}

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

async function changedSince(instant: number): Promise<readonly JobId[]> {
  const ids: JobId[] = []
  let cursor: string | null = null
  do {
    const page = await storage.listJobs({ limit: 3, cursor, changedSince: instant })
    ids.push(...page.items.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== null)
  return ids
}

it('the list of changed jobs contains each job once in the order of ids, for few and for many changed jobs', async () => {
  await addMany(names('old', 60), start)
  const many = await addMany(names('many', 60), start + 1000)
  const few = await addMany(names('few', 7), start + 2000)
  expect(await changedSince(start + 2000)).toEqual(few)
  expect(await changedSince(start + 1000)).toEqual([...many, ...few].sort())
  expect(await changedSince(start + 3000)).toEqual([])
})

describe('a list of jobs that are not deleted', () => {
  async function listed(
    query: { readonly owner?: string; readonly deleted?: boolean } = {},
  ): Promise<readonly JobId[]> {
    const ids: JobId[] = []
    let cursor: string | null = null
    do {
      const page = await storage.listJobs({ limit: 3, cursor, ...query })
      ids.push(...page.items.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== null)
    return ids
  }

  it('contains each matching job once in the order of ids, whether few or many of the stored jobs match', async () => {
    const many = await addMany(names('many', 60), start, 'of-many')
    const few = await addMany(names('few', 5), start, 'of-few')
    const unowned = await addMany(names('unowned', 10), start)
    const all = [...many, ...few, ...unowned].sort()
    expect(await listed({ owner: 'of-many' })).toEqual(many)
    expect(await listed({ owner: 'of-few' })).toEqual(few)
    expect(await listed({ owner: 'of-none' })).toEqual([])
    expect(await listed()).toEqual(all)
    const gone = many.filter((_, index) => index % 20 !== 0)
    const changes = gone.map((id): JobChange => ({ kind: 'delete', id, expectedVersion: null }))
    await storage.saveJobs({ now: start + 1, changes })
    const left = many.filter((id) => !gone.includes(id))
    expect(await listed({ owner: 'of-many' })).toEqual(left)
    expect(await listed()).toEqual([...left, ...few, ...unowned].sort())
    expect(await listed({ deleted: true })).toEqual(all)
    expect(await listed({ owner: 'of-many', deleted: true })).toEqual(many)
  })

  it('reads neither tombstones nor jobs of other owners if few jobs match', async () => {
    const many = await addMany(names('many', 400), start, 'of-many')
    const few = await addMany(names('few', 5), start, 'of-few')
    const database = new Database(scratch.file)
    const run: string[] = []
    const tables = namedTables(database, '')
    const watched = {
      ...tables,
      raw(sql: string): Database.Statement {
        const statement = tables.raw(sql)
        const all = statement.all.bind(statement)
        statement.all = (...values: unknown[]) => {
          run.push(sql.includes('{jobs_live}') ? 'sorts' : 'walks')
          return all(...values)
        }
        return statement
      },
    }
    const jobs = new JobTable(watched, new Names(watched))
    const list = (owner: string | undefined) =>
      jobs.list({ limit: 6, cursor: null, ...(owner !== undefined && { owner }) }, null).map(({ id }) => id)
    expect(list('of-few')).toEqual(few)
    list('of-many')
    list(undefined)
    expect(run).toEqual(['sorts', 'walks', 'walks'])
    const changes = many.map((id): JobChange => ({ kind: 'delete', id, expectedVersion: null }))
    await storage.saveJobs({ now: start + 1, changes })
    expect(list(undefined)).toEqual(few)
    expect(list('of-many')).toEqual([])
    expect(run.slice(3)).toEqual(['sorts', 'sorts'])
    database.close()
  })
})

it('a list of jobs refuses a cursor that is not an id', async () => {
  await expect(storage.listJobs({ limit: 3, cursor: 'job_3' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    field: 'cursor',
  })
})

it('SQLite writes fewer checkpoints of its log while many jobs are added, and the usual number afterwards', async () => {
  await addMany(names('job', 15_000), start)
  const { size: log } = statSync(`${scratch.file}-wal`)
  const { size: before } = statSync(scratch.file)
  await addJob(storage, 'one more')
  const { size: after } = statSync(scratch.file)
  // The write-ahead log has more than its usual 4,000 pages of 4,096 bytes.
  expect(log).toBeGreaterThan(16_500_000)
  expect(before).toBeLessThan(200_000)
  expect(after).toBeGreaterThan(3_000_000)
})

it('a write-ahead log that exceeded its usual size is truncated when SQLite restarts the log', async () => {
  const other = new Database(scratch.file)
  other.pragma('wal_autocheckpoint = 0')
  other.exec('CREATE TABLE large (bytes BLOB); INSERT INTO large VALUES (zeroblob(50000000))')
  const sizeOfLog = (): number => statSync(`${scratch.file}-wal`).size
  expect(sizeOfLog()).toBeGreaterThan(50_000_000)
  // The next commit copies the write-ahead log into the file. The commit after that starts the log again from its beginning.
  await addJob(storage, 'first')
  await addJob(storage, 'second')
  expect(sizeOfLog()).toBeLessThan(33_000_000)
  other.close()
})
