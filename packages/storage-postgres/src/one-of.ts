/**
 * Returns SQL for the right side of `=` that looks up each row of a table by a value of another table. The planner may
 * reverse a plain equality: after a vacuum of an empty table, the planner assumes that this table is the smaller one.
 * Then PostgreSQL scans the other table for each row.
 */
export function oneOf(value: string): string {
  return `ANY (ARRAY[${value}])`
}

/**
 * Returns SQL that runs `lookUp` for each UUID of an array that is passed as text. `lookUp` finds at most one row for
 * `n.id`. PostgreSQL reads the array once and uses the index for each UUID, whatever size the planner assumes for the
 * table. With a plain `= ANY`, PostgreSQL reads the whole table if the table seems small, and reads the array again for
 * each row. The LIMIT keeps the planner from reversing the look-up.
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
