import type { JobistemerError } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { assertKnown, assertUsable, marksOf } from './inspect-file.ts'
import { applicationId, migrations } from './schema.ts'
import { withTableNames } from './table-names.ts'

/** The place in a database that stores how many of Jobistemer's migration steps have run on this database. */
export interface SchemaHome {
  /** The prefix of the names of tables and indexes. */
  readonly prefix: string
  /**
   * Returns the number of migration steps that the database has taken; 0 if the database contains nothing of
   * Jobistemer's.
   *
   * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
   */
  read(database: Database.Database, file: string, known?: number): number
  /** Prepares a statement that returns the same number as `read`, for a database with Jobistemer's tables. */
  prepareRead(database: Database.Database): Database.Statement
  /** Stores the number of migration steps that the database has taken. Must be called within a transaction. */
  write(database: Database.Database, version: number): void
  /** Writes the stored number again, to test whether the file may be written. */
  touch(database: Database.Database): void
}

/** A file that contains only the jobs: its header stores the schema version. */
export const ownFile: SchemaHome = {
  prefix: '',
  read(database, file, known = migrations.length) {
    const marks = marksOf(database)
    assertUsable(marks, file, known)
    return marks.version
  },
  prepareRead(database) {
    return database.prepare('PRAGMA user_version').safeIntegers(false).pluck()
  },
  write(database, version) {
    database.pragma(`application_id = ${applicationId}`)
    database.pragma(`user_version = ${version}`)
  },
  touch(database) {
    database.pragma(`user_version = ${migrations.length}`)
  },
}

/** Tables with a prefix in a user's file. The header of the file stays unchanged. */
function tablesIn(prefix: string): SchemaHome {
  const named = (sql: string): string => withTableNames(sql, prefix)
  return {
    prefix,
    read(database, file, known = migrations.length) {
      // Reads from one snapshot, because another process may be creating the tables.
      const look = database.transaction(() => {
        const names = database
          .prepare('SELECT name FROM sqlite_schema WHERE substr(lower(name), 1, length($prefix)) = $prefix')
          .pluck()
          .all({ prefix }) as string[]
        if (names.length === 0) return 0
        if (!names.includes(`${prefix}schema`)) throw foreignTables(prefix, names[0] as string)
        return this.prepareRead(database).get() as number
      })
      const version = look()
      assertKnown(version, file, known)
      return version
    },
    prepareRead(database) {
      return database.prepare(named('SELECT version FROM {schema}')).safeIntegers(false).pluck()
    },
    write(database, version) {
      database.exec(
        named(
          'CREATE TABLE IF NOT EXISTS {schema} (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT',
        ),
      )
      database.prepare(named('INSERT OR REPLACE INTO {schema} VALUES (1, ?)')).run(version)
    },
    touch(database) {
      database.exec(named('UPDATE {schema} SET version = version'))
    },
  }
}

/**
 * Returns where the schema version of tables with this prefix is stored. Without a prefix, the file belongs to the storage.
 */
export function schemaHomeOf(prefix: string): SchemaHome {
  return prefix === '' ? ownFile : tablesIn(prefix)
}

/**
 * Checks in each writing transaction whether a newer version has migrated the file since this process opened the file.
 * The statements of this version could damage data in a newer form. One check takes about 1 µs.
 */
export class SchemaWatch {
  readonly #version: Database.Statement
  readonly #file: string

  constructor(database: Database.Database, file: string, prefix: string) {
    this.#version = schemaHomeOf(prefix).prepareRead(database)
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

function foreignTables(prefix: string, found: string): JobistemerError {
  const message = `The database has a table or index with the prefix ${JSON.stringify(prefix)} that is not Jobistemer's: ${found}.`
  const remedy = 'Give another tablePrefix, which no name in the database begins with.'
  return storageFailure('STORAGE_FOREIGN', ['tablePrefix', prefix], message, remedy)
}
