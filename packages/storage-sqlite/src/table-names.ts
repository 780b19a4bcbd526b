import type Database from 'better-sqlite3'

/**
 * Prepares statements whose SQL has the names of tables and indexes in braces, such as `{jobs}`. Replaces each name in
 * braces by the name in the file.
 */
export interface NamedTables {
  /** Prepares a statement that returns rows as objects. */
  prepare(sql: string): Database.Statement
  /** Prepares a statement that returns rows as arrays. */
  raw(sql: string): Database.Statement
  /** Prepares a statement that returns the first column of each row. */
  pluck(sql: string): Database.Statement
}

/** Returns the SQL with the names of tables and indexes in the file. */
export function withTableNames(sql: string, prefix: string): string {
  return sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => prefix + name)
}

export function namedTables(database: Database.Database, prefix: string): NamedTables {
  // The caller's connection may return integers as BigInt, so each statement is set to return numbers.
  const prepare = (sql: string) => database.prepare(withTableNames(sql, prefix)).safeIntegers(false)
  return { prepare, raw: (sql) => prepare(sql).raw(), pluck: (sql) => prepare(sql).pluck() }
}
