import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { describeDifferences, readContents } from '../src/table-contents.ts'
import { createDatabase, temporaryFolder } from './world.ts'

function openDatabase(rows?: number): Database.Database {
  const file = join(temporaryFolder(), 'test.db')
  createDatabase(file, rows)
  const database = new Database(file)
  onTestFinished(() => void database.close())
  return database
}

it('readContents counts the rows of every table that stores rows, whatever kind of key the table has', async () => {
  const { tables } = await readContents(openDatabase(5000))
  const counts = Object.fromEntries(tables.map(({ name, rows }) => [name, rows]))
  expect(counts).toMatchObject({ notes: 5000, tags: 5000, words_content: 1 })
  expect(counts).not.toHaveProperty('recent')
  expect(counts).not.toHaveProperty('words')
})

it('readContents returns the same checksum for equal databases', async () => {
  expect(await readContents(openDatabase())).toEqual(await readContents(openDatabase()))
})

const changes = [
  "UPDATE notes SET text = 'other' WHERE id = 3",
  "UPDATE notes SET bytes = x'00' WHERE id = 3",
  'UPDATE notes SET number = number + 1e-12 WHERE id = 3',
  'UPDATE notes SET big = big + 1 WHERE id = 3',
  "UPDATE notes SET absent = '' WHERE id = 3",
  'UPDATE notes SET text = CAST(text AS BLOB) WHERE id = 3',
  "UPDATE tags SET tag = 'same' WHERE note = 3",
  'ALTER TABLE notes RENAME COLUMN absent TO present',
]

it.each(changes)(
  'readContents returns another checksum after one SQL statement has changed the database: %s',
  async (change) => {
    const database = openDatabase()
    const before = await readContents(database)
    database.exec(change)
    const after = await readContents(database)
    expect(after.tables).toEqual(before.tables)
    expect(describeDifferences(before, after)).toEqual(['the row counts agree, but the checksums over all rows do not'])
  },
)

const lookalikes: readonly (readonly [string, string])[] = [
  ["'ab', 'c'", "'a', 'bc'"],
  ["1, 'x'", "'1', 'x'"],
  ['1, 0', '1.0, 0'],
  ["'null', 0", 'NULL, 0'],
  ["'', 'a'", "'a', ''"],
]

it.each(lookalikes)('readContents returns different checksums for the rows (%s) and (%s)', async (first, second) => {
  const database = openDatabase(1)
  database.exec(`CREATE TABLE pairs (a, b); INSERT INTO pairs VALUES (${first})`)
  const before = await readContents(database)
  database.exec(`DELETE FROM pairs; INSERT INTO pairs VALUES (${second})`)
  expect((await readContents(database)).checksum).not.toBe(before.checksum)
})

it('describeDifferences names each missing or additional table, and each table with a wrong number of rows', async () => {
  const database = openDatabase()
  const before = await readContents(database)
  database.exec('DELETE FROM tags WHERE note = 1; DROP TABLE notes; CREATE TABLE more (a)')
  expect(describeDifferences(before, await readContents(database))).toEqual([
    'table notes is missing',
    'table tags has 499 rows instead of 500',
    'table more is one too many',
  ])
})

it('describeDifferences finds no difference between a database and itself', async () => {
  const database = openDatabase()
  expect(describeDifferences(await readContents(database), await readContents(database))).toEqual([])
})

it('an abort stops readContents in the middle of a table, and the database remains usable', async () => {
  const database = openDatabase(5000)
  const controller = new AbortController()
  const reading = readContents(database, controller.signal)
  controller.abort(new Error('told to stop'))
  await expect(reading).rejects.toThrow('told to stop')
  database.exec('DROP TABLE notes')
})
