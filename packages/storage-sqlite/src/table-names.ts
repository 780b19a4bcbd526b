import type Database from 'better-sqlite3'

/** Prepares statements whose SQL names tables and indexes as `{jobs}`: by whatever name they have in the file. */
export interface NamedTables {
  prepare(sql: string): Database.Statement
}

/** SQL with the names that tables and indexes have in the file. */
export function withTableNames(sql: string, prefix: string): string {
  return sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => prefix + name)
}

export function namedTables(database: Database.Database, prefix: string): NamedTables {
  return {
    // The caller's connection may return integers as BigInt.
    prepare: (sql) => database.prepare(withTableNames(sql, prefix)).safeIntegers(false),
  }
}
