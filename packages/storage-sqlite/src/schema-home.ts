import type { JobistemerError } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { migrations } from './schema.ts'
import { withTableNames } from './table-names.ts'

// The table `jobistemer_schema` stores how many migration steps have run on the tables with this prefix. The header of the
// file stays unchanged, because it may belong to the user's application.
const schemaTable = 'jobistemer_schema'

/**
 * Returns the number of migration steps that the tables with this prefix have taken; 0 if there are none. Without a prefix,
 * the file must contain no other tables.
 *
 * @param known the number of steps that this package version has
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export function readVersion(
  database: Database.Database,
  file: string,
  prefix: string,
  known: number = migrations.length,
): number {
  const names = database
    .prepare('SELECT name FROM sqlite_schema WHERE substr(lower(name), 1, length($prefix)) = $prefix')
    .pluck()
    .all({ prefix }) as string[]
  if (names.length === 0) return 0
  if (!names.includes(prefix + schemaTable)) throw foreignTables(file, prefix, names[0] as string)
  const version = prepareRead(database, prefix).get() as number
  assertKnown(version, file, known)
  return version
}

function prepareRead(database: Database.Database, prefix: string): Database.Statement {
  const sql = withTableNames(`SELECT version FROM {${schemaTable}}`, prefix)
  return database.prepare(sql).safeIntegers(false).pluck()
}

/** Stores the number of migration steps. Must be called within a transaction. */
export function writeVersion(database: Database.Database, prefix: string, version: number): void {
  const columns = 'one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL'
  const sql = `CREATE TABLE IF NOT EXISTS {${schemaTable}} (${columns}) STRICT;
    INSERT OR REPLACE INTO {${schemaTable}} VALUES (1, ${version})`
  database.exec(withTableNames(sql, prefix))
}

/** Writes the stored number of migration steps again, unchanged, to test whether the file may be written. */
export function touchVersion(database: Database.Database, prefix: string): void {
  database.exec(withTableNames(`UPDATE {${schemaTable}} SET version = version`, prefix))
}

/**
 * Checks in each writing transaction whether a newer version has migrated the file since this process opened the file. The
 * statements of this version could damage the newer schema.
 */
export class SchemaWatch {
  readonly #version: Database.Statement
  readonly #file: string

  constructor(database: Database.Database, file: string, prefix: string) {
    this.#version = prepareRead(database, prefix)
    this.#file = file
  }

  /**
   * Checks that no newer package version has migrated the file.
   *
   * @throws JobistemerError `STORAGE_SCHEMA_NEWER`
   */
  assertKnown(): void {
    assertKnown(this.#version.get() as number, this.#file, migrations.length)
  }
}

function assertKnown(version: number, file: string, known: number): void {
  if (version <= known) return
  const message = `The database has schema ${version}, and this version knows ${known}: ${file}.`
  const remedy = 'Update @jobistemer/storage-sqlite, or give another file. Nothing was changed.'
  throw storageFailure('STORAGE_SCHEMA_NEWER', ['file', file], message, remedy)
}

function foreignTables(file: string, prefix: string, found: string): JobistemerError {
  if (prefix === '') {
    const message = `The database belongs to another application: ${file}.`
    const remedy =
      'Give a file of its own to Jobistemer; it makes one that does not exist. Or give tablePrefix, if its tables are to be among those of your application.'
    return storageFailure('STORAGE_FOREIGN', ['file', file], message, remedy)
  }
  const message = `The database has a table or index with the prefix ${JSON.stringify(prefix)} that is not Jobistemer's: ${found}.`
  const remedy = 'Give another tablePrefix, which no name in the database begins with.'
  return storageFailure('STORAGE_FOREIGN', ['tablePrefix', prefix], message, remedy)
}
