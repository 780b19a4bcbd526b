/**
 * What stands behind `=` to look up each row of a table by a value of another one. A plain equality may be read the other way
 * round: where a table was empty when it was last vacuumed, the planner takes it for the smaller one for good, and goes
 * through all of the other for each of its rows.
 */
export function oneOf(value: string): string {
  return `ANY (ARRAY[${value}])`
}
