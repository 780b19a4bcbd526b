/** A row, by the names of its columns. Numbers come as numbers, big ones or texts, whatever the driver makes of them. */
export type Row = Readonly<Record<string, unknown>>

/** Something that runs statements: a connection, or a pool that takes any of its connections for each. */
export interface Session {
  /** Values are texts and `null`, so that no driver has a choice of how to send them; bytes only where `takesBytes` of the database says so. */
  query(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>
}

export type SqlValue = string | Uint8Array | null

/** An array as PostgreSQL reads it, of numbers or of texts that need no quotes: UUIDs. */
export function plainArray(values: readonly (number | string | null)[]): string {
  let text = '{'
  for (let index = 0; index < values.length; index++) {
    if (index > 0) text += ','
    text += values[index] ?? 'NULL'
  }
  return `${text}}`
}

/** An array of texts as PostgreSQL reads it. */
export function textArray(values: readonly (string | null)[]): string {
  let text = '{'
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? null
    if (index > 0) text += ','
    text += value === null ? 'NULL' : quoteText(value)
  }
  return `${text}}`
}

/** An array of this type as PostgreSQL reads it. Only texts need quotes. */
export function arrayOf(type: string, values: readonly (number | string | null)[]): string {
  return type === 'text' ? textArray(values as readonly (string | null)[]) : plainArray(values)
}

/** A text as it stands in an array. */
export function quoteText(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}

/** A number that a driver may have left as a text. */
export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number(value)
}

/** As {@link numberOf}. */
export function numberOrNull(value: unknown): number | null {
  return value === null ? null : numberOf(value)
}

/** A boolean that a driver may have left as a text, or made a number of. */
export function isTrue(value: unknown): boolean {
  return value === true || value === 't' || value === 'true' || value === 1 || value === '1'
}

/** A limit for SQL: `null` is none. */
export function limitOf(count: number): number | null {
  return Number.isFinite(count) ? count : null
}

/** A name as SQL takes it: quoted, so that it means itself. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
