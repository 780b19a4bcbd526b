/**
 * What stands behind `=` to look up each row of a table by a value of another one. A plain equality may be read the other way
 * round: where a table was empty when it was last vacuumed, the planner takes it for the smaller one for good, and goes
 * through all of the other for each of its rows.
 */
export function oneOf(value: string): string {
  return `ANY (ARRAY[${value}])`
}

/**
 * Looks each UUID of an array up that comes as a text, by a statement that finds one row at most for `n.id`. The array is read once,
 * and each UUID is an entry of an index of its own: whatever the planner thinks of the size of the table, which may be that of the
 * last vacuum. `= ANY ($1::text::uuid[])` is neither: where it takes the table for small, it reads all of it, and the array anew for
 * each row. The limit keeps it from turning the look-up round.
 */
export function eachOf(parameter: string, lookUp: string): string {
  return `SELECT f.* FROM unnest(${parameter}::text::uuid[]) n (id) CROSS JOIN LATERAL (${lookUp} LIMIT 1) f`
}

/** What stands behind `=` for one of an array that comes as a text. It is read once, and not for each row. */
export function anyOf(parameter: string, type: string): string {
  return `ANY ((SELECT ${parameter}::text::${type}[])::${type}[])`
}
