import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { checkUserDatabase } from '../src/user-database.ts'
import { createDatabase, temporaryFolder } from './world.ts'

it('checkUserDatabase accepts an SQLite database', () => {
  const file = join(temporaryFolder(), 'good.db')
  createDatabase(file)
  expect(() => checkUserDatabase(file)).not.toThrow()
})

const bad: readonly (readonly [string, (file: string) => void, RegExp])[] = [
  ['a file that does not exist', () => undefined, /does not exist/],
  ['a folder', (file) => mkdirSync(file), /is a folder/],
  // A symbolic link to itself is unreadable even for root.
  ['a file that cannot be read', (file) => symlinkSync(file, file), /cannot be read: ELOOP/],
  ['an empty file', (file) => writeFileSync(file, ''), /is empty/],
  ['a text', (file) => writeFileSync(file, 'id,name\n1,one\n'.repeat(1000)), /is not an SQLite database/],
  ['the first bytes of a database', (file) => writeFileSync(file, 'SQLite format 3'), /is not an SQLite database/],
  [
    'a database without its first page',
    (file) => writeFileSync(file, `SQLite format 3\0${'x'.repeat(4080)}`),
    /cannot be read/,
  ],
]

it.each(bad)(
  'checkUserDatabase refuses a path that names no readable SQLite database, and creates no file: %s',
  (_, make, problem) => {
    const folder = temporaryFolder()
    const file = join(folder, 'bad.db')
    make(file)
    const before = readdirSync(folder)
    expect(() => checkUserDatabase(file)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', field: '--db', value: file }),
    )
    expect(() => checkUserDatabase(file)).toThrow(problem)
    expect(readdirSync(folder)).toEqual(before)
  },
)

it('checkUserDatabase does not change a file that it refuses', () => {
  const file = join(temporaryFolder(), 'bad.db')
  writeFileSync(file, 'no database')
  expect(() => checkUserDatabase(file)).toThrow()
  expect(readFileSync(file, 'utf8')).toBe('no database')
  expect(existsSync(`${file}-journal`)).toBe(false)
})
