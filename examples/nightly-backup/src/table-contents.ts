import { createHash, type Hash } from 'node:crypto'
import type { Database } from 'better-sqlite3'

/** A summary of a database's contents, small enough for a task's result. */
export interface TableContents {
  readonly tables: readonly TableRows[]
  /** SHA-256 over the schema and every value of every row. */
  readonly checksum: string
}

export interface TableRows {
  readonly name: string
  readonly rows: number
}

// Number of rows after which the computation yields to the event loop.
const rowsPerTurn = 2000

/**
 * Counts and hashes all rows. The caller must hold a read transaction if other processes may write.
 * @throws the reason of `signal` after its abort
 */
export async function readContents(database: Database, signal?: AbortSignal): Promise<TableContents> {
  const hash = createHash('sha256')
  hashRows(hash, database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').raw().iterate())
  const tables: TableRows[] = []
  for (const { name, order } of tablesOf(database)) {
    hash.update(`table ${name}\n`)
    const rows = database
      .prepare(`SELECT * FROM ${quote(name)} ${order}`)
      .raw()
      .safeIntegers()
      .iterate()
    tables.push({ name, rows: await hashInTurns(hash, rows, signal) })
  }
  return { tables, checksum: hash.digest('hex') }
}

/** Describes how `actual` differs from `expected`. Returns an empty list if both are equal. */
export function describeDifferences(expected: TableContents, actual: TableContents): readonly string[] {
  const differences: string[] = []
  const found = new Map(actual.tables.map(({ name, rows }) => [name, rows]))
  for (const { name, rows } of expected.tables) {
    const actualRows = found.get(name)
    if (actualRows === undefined) differences.push(`table ${name} is missing`)
    else if (actualRows !== rows) differences.push(`table ${name} has ${actualRows} rows instead of ${rows}`)
    found.delete(name)
  }
  for (const name of found.keys()) differences.push(`table ${name} is one too many`)
  if (differences.length === 0 && expected.checksum !== actual.checksum) {
    differences.push('the row counts agree, but the checksums over all rows do not')
  }
  return differences
}

interface StoredTable {
  readonly name: string
  readonly order: string
}

function tablesOf(database: Database): StoredTable[] {
  const list = database.pragma('table_list') as { schema: string; name: string; type: string; wr: 0 | 1 }[]
  return (
    list
      // Leaves virtual tables out. SQLite stores their rows in shadow tables, and `list` contains these shadow tables.
      .filter(
        ({ schema, name, type }) =>
          schema === 'main' && type !== 'view' && type !== 'virtual' && name !== 'sqlite_schema',
      )
      .map(({ name, wr }) => ({ name, order: wr === 1 ? primaryKeyOrder(database, name) : 'ORDER BY rowid' }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  )
}

function primaryKeyOrder(database: Database, table: string): string {
  const columns = database.pragma(`table_info(${quote(table)})`) as { name: string; pk: number }[]
  const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk)
  return `ORDER BY ${key.map(({ name }) => quote(name)).join(', ')}`
}

async function hashInTurns(hash: Hash, rows: IterableIterator<unknown>, signal?: AbortSignal): Promise<number> {
  let count = 0
  try {
    for (;;) {
      signal?.throwIfAborted()
      const read = hashRows(hash, rows, rowsPerTurn)
      count += read
      if (read < rowsPerTurn) return count
      await new Promise(setImmediate)
    }
  } finally {
    // An unfinished statement would keep the database from closing.
    rows.return?.()
  }
}

/** Adds up to `limit` rows to the hash. Returns the number of added rows. */
function hashRows(hash: Hash, rows: IterableIterator<unknown>, limit = Number.POSITIVE_INFINITY): number {
  let count = 0
  while (count < limit) {
    const { done, value } = rows.next()
    if (done === true) break
    for (const cell of value as unknown[]) hashValue(hash, cell)
    count++
  }
  return count
}

/** Hashes type, length and bytes of a value, so that different rows never give the hash the same input. */
function hashValue(hash: Hash, value: unknown): void {
  if (value === null) hash.update('null;')
  else if (Buffer.isBuffer(value)) hash.update(`blob:${value.length}:`).update(value)
  else {
    const text = String(value)
    hash.update(`${typeof value}:${Buffer.byteLength(text)}:`).update(text)
  }
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
