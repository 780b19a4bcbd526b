import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { storageError } from '../src/sqlite-errors.ts'
import { copyDriver } from './driver-copy.ts'
import { makeScratch, type Scratch } from './scratch.ts'

const require = createRequire(import.meta.url)

let scratch: Scratch

beforeEach(() => {
  scratch = makeScratch()
})

afterEach(() => scratch.remove())

/** Copies better-sqlite3 without its native part, as before its install script has run. */
function copyUnbuilt(): string {
  return copyDriver(scratch.directory, ['package.json', 'lib'])
}

function failureOf(copy: string): unknown {
  const Database = require(copy) as new (file: string) => unknown
  try {
    return new Database(':memory:')
  } catch (error) {
    return error
  }
}

const refused = {
  code: 'STORAGE_UNREADABLE',
  field: 'file',
  value: 'jobs.db',
  message: expect.stringMatching(
    /^The package better-sqlite3 is not built for this Node\.js \([^\n]+\): jobs\.db\. Run "npm rebuild/,
  ),
}

it('the storage’s error says how to build better-sqlite3 if its install script did not run', () => {
  const copy = copyUnbuilt()
  expect(storageError(failureOf(copy), 'jobs.db')).toMatchObject(refused)
})

it('the storage’s error says how to build better-sqlite3 if its binary cannot be loaded', () => {
  const copy = copyUnbuilt()
  const built = join(copy, 'build', 'Release')
  mkdirSync(built, { recursive: true })
  writeFileSync(join(built, 'better_sqlite3.node'), 'built elsewhere')
  expect(storageError(failureOf(copy), 'jobs.db')).toMatchObject(refused)
})
