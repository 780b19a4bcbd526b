/** A row, with values by column name. Depending on the driver, numbers are JavaScript numbers, bigints or texts. */
export type Row = Readonly<Record<string, unknown>>

/** Runs statements on one connection, or on a pool that may choose another connection for each statement. */
export interface Session {
  /** Values are texts and `null`, and bytes only if `takesBytes` of the database is true. */
  query(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>
}

export type SqlValue = string | Uint8Array | null

/** Collects the parameters of a statement, and returns a placeholder for each. */
export class Values {
  readonly list: SqlValue[] = []

  add(value: SqlValue, type: string): string {
    return `$${this.list.push(value)}::text::${type}`
  }
}

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

/** Returns the value for an SQL limit of rows: `null` for an infinite number, because NULL means no limit in SQL. */
export function limitOf(count: number): number | null {
  return Number.isFinite(count) ? count : null
}

/** Quotes a name for SQL, so that it keeps its case and may contain any character. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

// A PostgreSQL text cannot contain NUL or a lone surrogate. `storeText` escapes both, so that different texts stay
// different. JSON texts are stored without this escape, because JSON has its own escapes for these characters.

const escapeMark = '\u0001'
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are escaped
const escaped = /[\0\u0001]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is the character that escapes
const mark = /\u0001([0-9a-f]{4})/g

/** Escapes a text for storing. Different texts have different stored forms. */
export function storeText(text: string): string {
  return text.replace(escaped, (unit) => `${escapeMark}${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Like {@link storeText}, but returns `null` for `null`. */
export function storeTextOrNull(text: string | null): string | null {
  return text === null ? null : storeText(text)
}

/** Restores the text that {@link storeText} has escaped. */
export function readText(stored: unknown): string {
  const text = stored as string
  return text.includes(escapeMark)
    ? text.replace(mark, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text
}

/** Like {@link readText}, but returns `null` for `null`. */
export function readTextOrNull(stored: unknown): string | null {
  return stored === null ? null : readText(stored)
}

/**
 * Returns SQL for the right side of `=` in a join. Such a join finds rows of one table by values of another table.
 *
 * With a plain value, the planner may join the two tables in the opposite order. The statement then scans one whole table for
 * each row of the other table. The returned SQL prevents this order.
 */
export function oneOf(value: string): string {
  return `ANY (ARRAY[${value}])`
}

/**
 * Returns SQL that runs `lookUp` for each UUID of an array that is passed as text. `lookUp` finds at most one row for
 * `n.id`.
 *
 * A plain `= ANY` might scan the table and search each row in the array. The LIMIT in the returned SQL prevents this.
 * So the SQL always uses the index, and reads the array once.
 */
export function eachOf(parameter: string, lookUp: string): string {
  return `SELECT f.* FROM unnest(${parameter}::text::uuid[]) n (id) CROSS JOIN LATERAL (${lookUp} LIMIT 1) f`
}

/**
 * Returns SQL for the right side of `=` that matches any value of an array that is passed as text. PostgreSQL reads the
 * array once, not per row.
 */
export function anyOf(parameter: string, type: string): string {
  return `ANY ((SELECT ${parameter}::text::${type}[])::${type}[])`
}

/** The longest lock timeout that PostgreSQL accepts, in ms. */
const longestMs = 2 ** 31 - 1

/**
 * Returns the lock limit for a call limit, in ms. The server stops waiting for a lock after nine tenths of the call
 * limit, so that the server's error reaches the caller in time.
 */
export function lockLimitOf(limitMs: number): number {
  return Math.min(Math.max(1, Math.floor(limitMs * 0.9)), longestMs)
}

/**
 * Returns an SQL expression that limits how long the transaction waits for each further lock. If the user has set a shorter
 * limit, that limit stays in force. The expression never returns NULL.
 *
 * Without a limit, the server would keep waiting for a lock after the caller has given up. The waiting statement would then
 * occupy a connection.
 */
export function limitLocks(limit: string): string {
  return `CASE WHEN current_setting('lock_timeout') = '0' OR current_setting('lock_timeout')::interval > ${limit}::interval
    THEN set_config('lock_timeout', ${limit}, true) ELSE '' END`
}

/** Like {@link limitLocks}, as a condition of a statement. PostgreSQL evaluates the condition once, before it reads any row. */
export function locksAreLimited(limit: string): string {
  return `(SELECT ${limitLocks(limit)}) IS NOT NULL`
}

/**
 * Maximum time, in ms, by which a job's next instant may lie after its stored `found_at`.
 *
 * The index over due jobs contains `found_at` instead of the next instant. If the new next instant after a start is within this
 * limit, the start does not change `found_at`. Such a start changes no indexed column.
 */
export const foundAheadMs = 8000

/**
 * Returns SQL for the new `found_at` of a head. `nextAt`: SQL for the next instant of the head. `foundBefore`: SQL for
 * the present `found_at` of the head.
 */
export function foundAt(nextAt: string, foundBefore: string): string {
  return `CASE WHEN ${nextAt} >= ${foundBefore} AND ${nextAt} < ${foundBefore} + ${foundAheadMs} THEN ${foundBefore} ELSE ${nextAt} END`
}
