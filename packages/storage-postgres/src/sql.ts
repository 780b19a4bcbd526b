/**
 * A row, with values by the names of its columns. Depending on the driver, numbers are JavaScript numbers, bigints or
 * texts.
 */
export type Row = Readonly<Record<string, unknown>>

/** Runs statements on one connection, or on a pool that may choose another connection for each statement. */
export interface Session {
  /**
   * Values are texts and `null`, which all drivers send alike. Bytes are permitted only if `takesBytes` of the database is
   * true.
   */
  query(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>
}

export type SqlValue = string | Uint8Array | null

/** Prints an array for PostgreSQL, of numbers or of texts that need no quotes, such as UUIDs. */
export function plainArray(values: readonly (number | string | null)[]): string {
  let text = '{'
  for (let index = 0; index < values.length; index++) {
    if (index > 0) text += ','
    text += values[index] ?? 'NULL'
  }
  return `${text}}`
}

/** Prints an array of texts for PostgreSQL. */
export function textArray(values: readonly (string | null)[]): string {
  let text = '{'
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? null
    if (index > 0) text += ','
    text += value === null ? 'NULL' : quoteText(value)
  }
  return `${text}}`
}

/** Prints an array of this type for PostgreSQL. Only texts need quotes. */
export function arrayOf(type: string, values: readonly (number | string | null)[]): string {
  return type === 'text' ? textArray(values as readonly (string | null)[]) : plainArray(values)
}

/** Quotes a text as an element of a PostgreSQL array. */
export function quoteText(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}

/** Converts a number that a driver may return as text. */
export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number(value)
}

/** Like {@link numberOf}, but returns `null` for `null`. */
export function numberOrNull(value: unknown): number | null {
  return value === null ? null : numberOf(value)
}

/** Converts a boolean that a driver may return as text or as a number. */
export function isTrue(value: unknown): boolean {
  return value === true || value === 't' || value === 'true' || value === 1 || value === '1'
}

/** Returns a number of rows as an SQL limit. `null` means no limit. */
export function limitOf(count: number): number | null {
  return Number.isFinite(count) ? count : null
}

/** Quotes a name for SQL, so that it keeps its case and may contain any character. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
