/** The names of the fields of a cron expression, in their written order. */
export type FieldName = 'second' | 'minute' | 'hour' | 'dayOfMonth' | 'month' | 'dayOfWeek' | 'year'

export interface Field {
  readonly name: FieldName
  /** The name of the field in error messages. */
  readonly title: string
  readonly min: number
  readonly max: number
  /** The greatest value of an `H` without a range. */
  readonly hashMax: number
  /** The accepted values of the field, for error messages. */
  readonly takes: string
}

const common = 'lists (1,5), ranges (1-5), steps (*/5), H'

export const fields: Readonly<Record<FieldName, Field>> = {
  second: { name: 'second', title: 'second', min: 0, max: 59, hashMax: 59, takes: `0-59, *, ${common}` },
  minute: { name: 'minute', title: 'minute', min: 0, max: 59, hashMax: 59, takes: `0-59, *, ${common}` },
  hour: { name: 'hour', title: 'hour', min: 0, max: 23, hashMax: 23, takes: `0-23, *, ${common}` },
  dayOfMonth: {
    name: 'dayOfMonth',
    title: 'day-of-month',
    min: 1,
    max: 31,
    // 28, because every month has the days 1 to 28.
    hashMax: 28,
    takes: `1-31, *, ?, ${common}, L, L-3, 15W, LW`,
  },
  month: { name: 'month', title: 'month', min: 1, max: 12, hashMax: 12, takes: `1-12, JAN-DEC, *, ${common}` },
  dayOfWeek: {
    name: 'dayOfWeek',
    title: 'day-of-week',
    min: 0,
    max: 6,
    hashMax: 6,
    takes: `0-7, SUN-SAT, *, ?, ${common}, FRI#2, FRIL`,
  },
  year: {
    name: 'year',
    title: 'year',
    min: 1970,
    max: 2399,
    hashMax: 2399,
    takes: '1970-2399, *, lists (2027,2030), ranges (2027-2030), steps (2027/2)',
  },
}

/** The fields of an expression, by the number of its fields. */
export const layouts: Readonly<Record<number, readonly FieldName[]>> = {
  5: ['minute', 'hour', 'dayOfMonth', 'month', 'dayOfWeek'],
  6: ['second', 'minute', 'hour', 'dayOfMonth', 'month', 'dayOfWeek'],
  7: ['second', 'minute', 'hour', 'dayOfMonth', 'month', 'dayOfWeek', 'year'],
}
