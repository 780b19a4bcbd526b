/**
 * The right side of `=` to look up each row of a table by a value of another one. The planner may turn a plain equality round:
 * after a vacuum of an empty table it takes that table for the smaller one, and scans the other table for each of its rows.
 */
export function oneOf(value: string): string {
  return `ANY (ARRAY[${value}])`
}

/**
 * Looks up each UUID of an array that is passed as a text, with a statement that finds one row at most for `n.id`. PostgreSQL
 * reads the array once and uses the index for each UUID, whatever size the planner assumes for the table. A plain `= ANY` with
 * the array does not: for a table that looks small, it reads the whole table, and the array again for each row. The LIMIT
 * keeps the planner from turning the look-up round.
 */
export function eachOf(parameter: string, lookUp: string): string {
  return `SELECT f.* FROM unnest(${parameter}::text::uuid[]) n (id) CROSS JOIN LATERAL (${lookUp} LIMIT 1) f`
}

/** The right side of `=` for one value of an array that is passed as a text. PostgreSQL reads the array once, not per row. */
export function anyOf(parameter: string, type: string): string {
  return `ANY ((SELECT ${parameter}::text::${type}[])::${type}[])`
}
