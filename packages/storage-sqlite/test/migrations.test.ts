import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { migrate, readVersion } from '../src/open-database.ts'
import { migrations } from '../src/schema.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'
import { isThorough } from '../../workspace/test-effort.ts'

/** Number of processes that open a new file at the same time. */
const openers = isThorough ? 8 : 4

let scratch: Scratch
let database: Database.Database

beforeEach(() => {
  scratch = makeScratch()
  database = new Database(scratch.file)
})

afterEach(() => {
  database.close()
  scratch.remove()
})

const version = () => readVersion(database, scratch.file, '')

it('a new SQLite file gets the current schema version, while application_id and user_version in its header stay 0', async () => {
  const storage = sqliteStorage({ database })
  expect(version()).toBe(migrations.length)
  const header = ['application_id', 'user_version'].map((name) => database.pragma(name, { simple: true }))
  expect(header).toEqual([0, 0])
  await storage.close()
})

it('every table of the SQLite storage is strict', async () => {
  await sqliteStorage({ database }).close()
  const tables = database.prepare("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").all() as {
    name: string
    strict: number
  }[]
  const own = tables.filter(({ name }) => !name.startsWith('sqlite_'))
  expect(own.length).toBeGreaterThan(5)
  expect(own.filter(({ strict }) => strict !== 1)).toEqual([])
})

it('migrate runs only the migration steps that an older SQLite file lacks', () => {
  const first = ['CREATE TABLE one (x INTEGER) STRICT', 'CREATE TABLE two (x INTEGER) STRICT']
  migrate(database, scratch.file, first)
  database.exec('INSERT INTO one VALUES (7)')
  migrate(database, scratch.file, [...first, 'INSERT INTO two SELECT x + 1 FROM one'])
  expect(database.prepare('SELECT x FROM two').pluck().all()).toEqual([8])
  expect(readVersion(database, scratch.file, '', 3)).toBe(3)
  migrate(database, scratch.file, [...first, 'INSERT INTO two SELECT x + 1 FROM one'])
  expect(database.prepare('SELECT count(*) FROM two').pluck().get()).toBe(1)
})

it.each(['', 'jobs_'])(
  'a storage with the table prefix %j stops writing once a newer version of Jobistemer has migrated its file',
  async (prefix) => {
    const tablePrefix = prefix === '' ? {} : { tablePrefix: prefix }
    const storage = sqliteStorage({ file: scratch.file, ...tablePrefix })
    const { id } = await addJob(storage, 'before')
    const migrateTo = (version: number): void => {
      database.prepare(`UPDATE ${prefix}jobistemer_schema SET version = ?`).run(version)
    }
    const items = [slotItem(id, 1)]
    migrateTo(migrations.length + 1)
    const newer = { code: 'STORAGE_SCHEMA_NEWER', field: 'file', value: scratch.file }
    await expect(addJob(storage, 'after')).rejects.toMatchObject(newer)
    await expect(storage.createOccurrences({ now: slotAt(1), owner, items })).rejects.toMatchObject(newer)
    if (prefix !== '') {
      database.exec('BEGIN IMMEDIATE')
      const within = storage.within?.(database)
      await expect(within?.createOccurrences({ now: slotAt(1), owner, items })).rejects.toMatchObject(newer)
      database.exec('COMMIT')
    }
    expect((await storage.listJobs({ limit: 10, cursor: null })).items.map(({ name }) => name)).toEqual(['before'])
    migrateTo(migrations.length)
    expect((await storage.createOccurrences({ now: slotAt(1), owner, items }))[0]?.outcome).toBe('created')
    await storage.close()
  },
)

it('a migration step that fails leaves the SQLite file unchanged', () => {
  const steps = ['CREATE TABLE one (x INTEGER) STRICT', 'CREATE TABLE one (x INTEGER) STRICT']
  expect(() => migrate(database, scratch.file, steps)).toThrow('already exists')
  expect(database.inTransaction).toBe(false)
  expect(version()).toBe(0)
  expect(database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()).toBe(0)
})

it(`${openers} processes that open a new SQLite file at the same time all succeed`, async () => {
  const script = fileURLToPath(new URL('./fixtures/open-and-close.mjs', import.meta.url))
  const file = `${scratch.directory}/shared.db`
  const codes = await Promise.all(
    Array.from({ length: openers }, async () => {
      const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'ignore', 'inherit'] })
      const [code] = await once(child, 'exit')
      return code
    }),
  )
  expect(codes).toEqual(Array(openers).fill(0))
})
