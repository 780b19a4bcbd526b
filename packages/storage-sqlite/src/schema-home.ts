import type { JobistemerError } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { assertKnown, assertUsable, marksOf } from './inspect-file.ts'
import { applicationId, migrations } from './schema.ts'
import { withTableNames } from './table-names.ts'

/** Where a database says which of our steps it has taken. */
export interface SchemaHome {
  /** Before the names of tables and indexes. */
  readonly prefix: string
  /**
   * How many steps were taken; 0 when nothing of ours is there.
   * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
   */
  read(database: Database.Database, file: string, known?: number): number
  /** A statement that answers the same number as `read`, of a database in which something of ours is. */
  prepareRead(database: Database.Database): Database.Statement
  /** To be called within a transaction. */
  write(database: Database.Database, version: number): void
  /** Writes what is there already. */
  touch(database: Database.Database): void
}

/** A file for the jobs alone: its header holds the schema version. */
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

/** Tables of their own in a file of the user's, whose header is left alone. */
function tablesIn(prefix: string): SchemaHome {
  const named = (sql: string): string => withTableNames(sql, prefix)
  return {
    prefix,
    read(database, file, known = migrations.length) {
      // Of one moment: another process may be making them just now.
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

/** Where the schema version of tables with this prefix is stored. Without a prefix, the file belongs to the storage. */
export function schemaHomeOf(prefix: string): SchemaHome {
  return prefix === '' ? ownFile : tablesIn(prefix)
}

/**
 * Checks in each writing transaction whether a newer version has migrated the file since it was opened. The statements of this
 * version could damage data in a newer form. One check takes about a microsecond.
 */
export class SchemaWatch {
  readonly #version: Database.Statement
  readonly #file: string

  constructor(database: Database.Database, file: string, prefix: string) {
    this.#version = schemaHomeOf(prefix).prepareRead(database)
    this.#file = file
  }

  /** @throws JobistemerError `STORAGE_SCHEMA_NEWER` */
  assertKnown(): void {
    assertKnown(this.#version.get() as number, this.#file, migrations.length)
  }
}

function foreignTables(prefix: string, found: string): JobistemerError {
  const message = `The database has a table or index with the prefix ${JSON.stringify(prefix)} that is not Jobistemer's: ${found}.`
  const remedy = 'Give another tablePrefix, which no name in the database begins with.'
  return storageFailure('STORAGE_FOREIGN', ['tablePrefix', prefix], message, remedy)
}
