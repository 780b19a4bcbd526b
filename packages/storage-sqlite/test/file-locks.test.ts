import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { addJob } from '@jobistemer/test-kit'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch, type Scratch } from './scratch.ts'

// When a process closes a file, POSIX ends all locks of this process on the file. Then another process finds no lock and
// may delete the write-ahead log. Commits of this process's connections to that log are lost.

let scratch: Scratch

beforeEach(() => {
  scratch = makeScratch()
})

afterEach(() => scratch.remove())

/**
 * Returns the locks of this process on the database file. `/proc/locks` may list a lock twice, so this function reads `fdinfo`.
 */
function locks(): readonly string[] {
  const { ino } = statSync(scratch.file)
  return readdirSync('/proc/self/fdinfo').flatMap((descriptor) =>
    locksOf(descriptor).filter((line) => line.includes(`:${ino} `)),
  )
}

function locksOf(descriptor: string): readonly string[] {
  // `readdirSync` lists its own descriptor of the folder, and then closes it. So `fdinfo` has no file for this descriptor.
  if (!existsSync(`/proc/self/fdinfo/${descriptor}`)) return []
  return readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('lock:'))
}

// Only Linux lists the locks of a process, so other systems skip these tests. All systems run the last test of this
// file, in which another process tries to lock the file. That test needs a file without write-ahead mode.
describe.skipIf(!existsSync('/proc/self/fdinfo'))(
  'an SQLite connection of this process keeps its lock on the file',
  () => {
    it('if a second storage of this process opens and closes the same file', async () => {
      const first = sqliteStorage({ file: scratch.file })
      await addJob(first, 'a')
      const held = locks()
      expect(held).toHaveLength(1)
      const second = sqliteStorage({ file: scratch.file })
      expect(locks()).toEqual(held)
      await second.close()
      expect(locks()).toEqual(held)
      await addJob(first, 'b')
      expect(locks()).toEqual(held)
      await first.close()
    })

    it('if the storage uses a connection of its caller and another storage opens the file', async () => {
      const app = new Database(scratch.file)
      const storage = sqliteStorage({ database: app })
      await addJob(storage, 'a')
      const held = locks()
      expect(held).toHaveLength(1)
      await sqliteStorage({ file: scratch.file }).close()
      expect(locks()).toEqual(held)
      app.close()
    })

    it('if a storage refuses the file because it belongs to another application', () => {
      const app = new Database(scratch.file)
      app.exec('PRAGMA journal_mode = WAL; CREATE TABLE customers (name TEXT)')
      const held = locks()
      expect(held).toHaveLength(1)
      expect(() => sqliteStorage({ file: scratch.file })).toThrow(expect.objectContaining({ code: 'STORAGE_FOREIGN' }))
      expect(locks()).toEqual(held)
      app.close()
    })
  },
)

it('an SQLite file that another application is writing stays locked after a storage has refused the file', () => {
  const app = new Database(scratch.file)
  app.exec('CREATE TABLE customers (name TEXT)')
  app.exec("BEGIN IMMEDIATE; INSERT INTO customers VALUES ('Ada')")
  expect(() => sqliteStorage({ file: scratch.file })).toThrow(expect.objectContaining({ code: 'STORAGE_FOREIGN' }))
  const child = fileURLToPath(new URL('fixtures/write-child.mjs', import.meta.url))
  expect(execFileSync(process.execPath, [child, scratch.file], { encoding: 'utf8' }).trim()).toBe('SQLITE_BUSY')
  app.exec('COMMIT')
  expect(app.prepare('SELECT name FROM customers').pluck().all()).toEqual(['Ada'])
  app.close()
})
