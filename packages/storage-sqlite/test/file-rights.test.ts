import { chmodSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { JobistemerError } from '@jobistemer/core'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

const otherUser = 65_534

let scratch: Scratch

beforeEach(() => {
  scratch = makeScratch()
})

afterEach(() => scratch.remove())

const modeOf = (file: string): number => statSync(file).mode & 0o777

/** Runs the action as an unprivileged user, because the rights of a file do not apply to root. */
function asUser<T>(action: () => T): T {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(otherUser)
  try {
    return action()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

describe('an SQLite file that may be read and not written', () => {
  it('is refused when the storage opens it, and not only at the first write', async () => {
    const storage = sqliteStorage({ file: scratch.file })
    await addJob(storage, 'a')
    await storage.close()
    chmodSync(scratch.file, 0o444)
    chmodSync(scratch.directory, 0o777)
    let refused: unknown
    try {
      asUser(() => sqliteStorage({ file: scratch.file }))
    } catch (error) {
      refused = error
    }
    expect(JobistemerError.isInstance(refused, 'STORAGE_UNREADABLE')).toBe(true)
    expect(refused).toMatchObject({ field: 'file', value: scratch.file, remedy: expect.stringContaining('write') })
  })

  it('can be opened while another connection writes', async () => {
    await sqliteStorage({ file: scratch.file }).close()
    const writer = new Database(scratch.file)
    writer.exec('BEGIN IMMEDIATE')
    await sqliteStorage({ file: scratch.file, busyTimeout: 0 }).close()
    writer.exec('ROLLBACK')
    writer.close()
  })
})

describe('a new SQLite file', () => {
  it('and its side files can be read and written only by their user', async () => {
    const storage = sqliteStorage({ file: scratch.file })
    await addJob(storage, 'a')
    const files = ['', '-wal', '-shm'].map((ending) => `${scratch.file}${ending}`)
    expect(files.map(modeOf)).toEqual([0o600, 0o600, 0o600])
    await storage.close()
  })

  it('can be read and written only by its user if a symbolic link led to it before it existed', async () => {
    const link = `${scratch.file}.link`
    symlinkSync(scratch.file, link)
    await sqliteStorage({ file: link }).close()
    expect(modeOf(scratch.file)).toBe(0o600)
  })

  it('keeps its access rights if a user created it before the first start of the storage', async () => {
    writeFileSync(scratch.file, '')
    chmodSync(scratch.file, 0o640)
    const storage = sqliteStorage({ file: scratch.file })
    await addJob(storage, 'a')
    expect([modeOf(scratch.file), modeOf(`${scratch.file}-wal`)]).toEqual([0o640, 0o640])
    await storage.close()
  })
})
