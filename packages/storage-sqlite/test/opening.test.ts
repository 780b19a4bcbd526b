import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ErrorCode, JobistemerError, jobId } from '@jobistemer/core'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type SqliteStorageOptions, sqliteStorage } from '../src/index.ts'
import { readVersion } from '../src/open-database.ts'
import { migrations } from '../src/schema.ts'
import { addJob } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

let scratch: Scratch

beforeEach(() => {
  scratch = makeScratch()
})

afterEach(() => scratch.remove())

function refusal(options: unknown): JobistemerError {
  try {
    sqliteStorage(options as SqliteStorageOptions)
  } catch (error) {
    if (JobistemerError.isInstance(error)) return error
    throw error
  }
  throw new Error('the options were accepted')
}

/** Returns every file of the scratch directory with its bytes. */
function everything(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(scratch.directory, { withFileTypes: true }).map((entry) => [
      entry.name,
      entry.isDirectory() ? 'a directory' : readFileSync(join(scratch.directory, entry.name)).toString('hex'),
    ]),
  )
}

function expectUntouched(code: ErrorCode): void {
  const before = everything()
  const error = refusal({ file: scratch.file })
  expect(error.code).toBe(code)
  expect(error.field).toBe('file')
  expect(error.value).toBe(scratch.file)
  expect(error.remedy).toMatch(/\w/)
  expect(everything()).toEqual(before)
}

function makeDatabase(file: string, ...statements: readonly string[]): void {
  const database = new Database(file)
  for (const statement of statements) database.exec(statement)
  database.close()
}

describe('a file that is not a Jobistemer database', () => {
  it('is refused, for example if it is a text file', () => {
    writeFileSync(scratch.file, 'Dear diary,\n'.repeat(100))
    expectUntouched('STORAGE_FOREIGN')
  })

  it('is refused, for example if it is shorter than any SQLite database', () => {
    writeFileSync(scratch.file, 'x')
    expectUntouched('STORAGE_FOREIGN')
  })

  it('is refused even if it begins like an SQLite database and ends too early', () => {
    writeFileSync(scratch.file, 'SQLite format 3\0')
    expectUntouched('STORAGE_FOREIGN')
    writeFileSync(scratch.file, `SQLite format 3\0${'\0'.repeat(600)}`)
    expectUntouched('STORAGE_FOREIGN')
  })

  it('is refused, for example if it contains tables of another application', () => {
    makeDatabase(scratch.file, 'CREATE TABLE customers (name TEXT)', "INSERT INTO customers VALUES ('Ada')")
    expectUntouched('STORAGE_FOREIGN')
  })

  it('is refused even in write-ahead mode, and no side files are created', () => {
    makeDatabase(scratch.file, 'PRAGMA journal_mode = WAL', 'CREATE TABLE customers (name TEXT)')
    expectUntouched('STORAGE_FOREIGN')
    expect(readdirSync(scratch.directory)).toEqual(['jobs.db'])
  })

  it.each([
    ['its own path', 'jobs.db'],
    ['a symbolic link', 'link.db'],
  ])('is refused by %s even if its tables are still only in the write-ahead log', (_path, name) => {
    symlinkSync(scratch.file, join(scratch.directory, 'link.db'))
    const crashed = join(scratch.directory, 'crashed')
    mkdirSync(crashed)
    const database = new Database(join(crashed, 'jobs.db'))
    database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE customers (name TEXT)')
    for (const part of ['jobs.db', 'jobs.db-wal']) copyFileSync(join(crashed, part), join(scratch.directory, part))
    database.close()
    const before = readFileSync(scratch.file)
    const logBefore = readFileSync(`${scratch.file}-wal`)
    expect(refusal({ file: join(scratch.directory, name) }).code).toBe('STORAGE_FOREIGN')
    expect(readFileSync(scratch.file)).toEqual(before)
    expect(readFileSync(`${scratch.file}-wal`)).toEqual(logBefore)
  })

  it('is refused even if its writer died in the middle of a transaction', () => {
    const crashed = join(scratch.directory, 'crashed')
    mkdirSync(crashed)
    const database = new Database(join(crashed, 'jobs.db'))
    database.exec('PRAGMA cache_size = 1; CREATE TABLE customers (name TEXT); BEGIN')
    const insert = database.prepare('INSERT INTO customers VALUES (?)')
    for (let count = 0; count < 200; count++) insert.run('Ada '.repeat(100))
    for (const name of ['jobs.db', 'jobs.db-journal']) copyFileSync(join(crashed, name), join(scratch.directory, name))
    database.close()
    const readonly = new Database(scratch.file, { readonly: true })
    expect(() => readonly.pragma('user_version')).toThrow(expect.objectContaining({ code: 'SQLITE_READONLY_ROLLBACK' }))
    readonly.close()
    expect(refusal({ file: scratch.file }).code).toBe('STORAGE_FOREIGN')
  })

  it('is refused if the caller passes it as an open database, before the storage changes the journal mode of the database', () => {
    const database = new Database(scratch.file)
    database.exec('CREATE TABLE customers (name TEXT)')
    const before = everything()
    expect(refusal({ database }).code).toBe('STORAGE_FOREIGN')
    expect(everything()).toEqual(before)
    database.close()
  })
})

describe('an SQLite file of a newer schema', () => {
  it('is refused and not changed', async () => {
    await sqliteStorage({ file: scratch.file }).close()
    makeDatabase(scratch.file, `UPDATE jobistemer_schema SET version = ${migrations.length + 1}`)
    expectUntouched('STORAGE_SCHEMA_NEWER')
  })
})

describe('an SQLite file without one of the storage’s tables', () => {
  it('is refused with STORAGE_FAILED, not changed, and closed', async () => {
    await sqliteStorage({ file: scratch.file }).close()
    makeDatabase(scratch.file, 'DROP TABLE failures')
    expectUntouched('STORAGE_FAILED')
  })

  it('stays open if the caller passes it as an open database', async () => {
    await sqliteStorage({ file: scratch.file }).close()
    makeDatabase(scratch.file, 'DROP TABLE failures')
    const database = new Database(scratch.file)
    expect(refusal({ database }).message).toContain('no such table: failures')
    expect(database.open).toBe(true)
    database.close()
  })
})

describe('a path that an SQLite storage cannot use', () => {
  it('is refused, for example if it is the path of a directory', () => {
    mkdirSync(scratch.file)
    expectUntouched('STORAGE_UNREADABLE')
  })

  it('is refused, for example if its directory does not exist; the directory is not created', () => {
    const file = join(scratch.directory, 'missing', 'jobs.db')
    const error = refusal({ file })
    expect(error.code).toBe('STORAGE_UNREADABLE')
    expect(error.message).toContain(file)
    expect(existsSync(join(scratch.directory, 'missing'))).toBe(false)
  })
})

describe('sqliteStorage', () => {
  it.each([
    ['an unknown option', { file: 'jobs.db', filename: 'x' }, 'UNKNOWN_OPTION', 'filename'],
    ['no file', {}, 'INVALID_ARGUMENT', 'file'],
    ['an empty file', { file: '' }, 'INVALID_ARGUMENT', 'file'],
    ['a file that is no text', { file: 7 }, 'INVALID_ARGUMENT', 'file'],
    ['a path that ends with a line break', { file: 'no/such/jobs.db\n' }, 'INVALID_ARGUMENT', 'file'],
    ['a path that begins with a space', { file: ' no/such/jobs.db' }, 'INVALID_ARGUMENT', 'file'],
    ['a URL that is no file', { file: new URL('https://example.org/jobs.db') }, 'INVALID_ARGUMENT', 'file'],
    ['a URL whose path ends with a line break', { file: 'file:///no/such/jobs.db%0A' }, 'INVALID_ARGUMENT', 'file'],
    ['a URL whose path contains NUL', { file: 'file:///no/such%00/jobs.db' }, 'INVALID_ARGUMENT', 'file'],
    ['a URL with a relative path', { file: 'file:no/such/jobs.db' }, 'INVALID_ARGUMENT', 'file'],
    ['SQLite’s URL of a database in memory', { file: 'file::memory:' }, 'INVALID_ARGUMENT', 'file'],
    ['a URL with settings of SQLite', { file: 'file:///no/such/jobs.db?mode=ro' }, 'INVALID_ARGUMENT', 'file'],
    ['a URL object with a hash', { file: new URL('file:///no/such/jobs.db#1') }, 'INVALID_ARGUMENT', 'file'],
    ['nothing at all', undefined, 'INVALID_ARGUMENT', 'options'],
    ['an unknown synchronous', { file: 'jobs.db', synchronous: 'off' }, 'INVALID_ARGUMENT', 'synchronous'],
    ['a negative busyTimeout', { file: 'jobs.db', busyTimeout: -1 }, 'INVALID_DURATION', 'busyTimeout'],
    ['a database that is none', { database: {} }, 'INVALID_ARGUMENT', 'database'],
  ])('refuses %s', (_case, options, code, field) => {
    const error = refusal(options)
    expect(error.code).toBe(code)
    expect(error.field).toBe(field)
    expect(error.message.length).toBeGreaterThan(20)
  })

  it('refuses a database that is closed, read-only or in a transaction', () => {
    const closed = new Database(scratch.file)
    closed.exec('CREATE TABLE t (x)')
    closed.close()
    expect(refusal({ database: closed }).message).toContain('closed')
    const readonly = new Database(scratch.file, { readonly: true })
    expect(refusal({ database: readonly }).message).toContain('read-only')
    readonly.close()
    const busy = new Database(':memory:')
    busy.exec('BEGIN')
    expect(refusal({ database: busy }).message).toContain('transaction')
    busy.close()
  })

  it('accepts a URL with the scheme `file:` as its option `file`', async () => {
    await sqliteStorage({ file: pathToFileURL(scratch.file) }).close()
    await sqliteStorage({ file: pathToFileURL(scratch.file).href }).close()
    expect(existsSync(scratch.file)).toBe(true)
  })

  it('states the durability that results from its options', async () => {
    const full = sqliteStorage({ file: scratch.file })
    const normal = sqliteStorage({ file: scratch.file, synchronous: 'normal' })
    const memory = sqliteStorage({ file: ':memory:' })
    expect(full.capabilities).toMatchObject({ durability: 'power', multiProcess: true })
    expect(normal.capabilities).toMatchObject({ durability: 'process', multiProcess: true })
    expect(memory.capabilities).toMatchObject({ durability: 'none', multiProcess: false })
    for (const storage of [full, normal, memory]) await storage.close()
  })

  it('sets the level of `PRAGMA synchronous`', async () => {
    for (const [synchronous, level] of [
      ['full', 2],
      ['normal', 1],
    ] as const) {
      const database = new Database(scratch.file)
      const storage = sqliteStorage({ database, synchronous })
      expect(database.pragma('synchronous', { simple: true })).toBe(level)
      expect(database.pragma('journal_mode', { simple: true })).toBe('wal')
      await storage.close()
      database.close()
    }
  })
})

describe('an SQLite database of the caller', () => {
  it('stays open when the storage is closed, and contains the stored jobs', async () => {
    const database = new Database(scratch.file)
    const storage = sqliteStorage({ database })
    await addJob(storage, 'nightly')
    await storage.close()
    expect(database.open).toBe(true)
    const again = sqliteStorage({ database })
    expect((await again.get({ jobs: [jobId('nightly')] })).jobs[0]?.name).toBe('nightly')
    await again.close()
    database.close()
  })

  it('is found although the current directory has changed since it was opened by a relative name', async () => {
    const before = process.cwd()
    process.chdir(scratch.directory)
    const database = new Database('jobs.db')
    const app = new Database('jobs.db')
    process.chdir(before)
    const storage = sqliteStorage({ database, tablePrefix: 'jobs_' })
    await addJob(storage, 'nightly')
    expect((await storage.get({ jobs: [jobId('nightly')] })).jobs[0]?.name).toBe('nightly')
    app.exec('BEGIN IMMEDIATE')
    expect(() => storage.within?.(app)).not.toThrow()
    app.exec('ROLLBACK')
    await storage.close()
    for (const each of [database, app]) each.close()
  })

  it.each(['', 'jobs_'])('may return integers as BigInt, with the table prefix %j', async (tablePrefix) => {
    const options = tablePrefix === '' ? {} : { tablePrefix }
    for (const name of ['first', 'second']) {
      const database = new Database(scratch.file)
      database.defaultSafeIntegers(true)
      const storage = sqliteStorage({ database, ...options })
      await addJob(storage, name)
      expect((await storage.get({ jobs: [jobId(name)], counts: ['all'] })).counts).toEqual([
        { pending: 0, queued: 0, running: 0 },
      ])
      await storage.close()
      database.close()
    }
  })

  it('makes calls reject with STORAGE_CLOSED after the caller has closed it', async () => {
    const database = new Database(scratch.file)
    const storage = sqliteStorage({ database })
    database.close()
    await expect(storage.get({})).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
  })
})

describe('an empty SQLite file', () => {
  it('becomes a Jobistemer database if it has zero bytes or no tables', async () => {
    writeFileSync(scratch.file, '')
    await sqliteStorage({ file: scratch.file }).close()
    const blank = join(scratch.directory, 'blank.db')
    makeDatabase(blank, 'CREATE TABLE t (x)', 'DROP TABLE t', 'VACUUM')
    await sqliteStorage({ file: blank }).close()
    for (const file of [scratch.file, blank]) {
      const database = new Database(file, { readonly: true })
      expect(readVersion(database, file, '')).toBe(migrations.length)
      database.close()
    }
  })
})
