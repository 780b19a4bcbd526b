import { lanes } from './occurrence-row.ts'

/**
 * Values of `run_state` in a head: the state of the occurrence in the columns `run_…`. If the value is `ended` or `moved`, the
 * head may store a starting slot. So the condition in SQL is: `run_state` is less than `never`.
 */
export const inHead = {
  /** The head holds no occurrence: its last one has ended, or it never held one. */
  ended: 0,
  /** The occurrence was moved to the table `live`. */
  moved: 1,
  /** The occurrence was moved to the table `live`. The head may store no further occurrence. */
  never: 2,
  /** The occurrence is running, and its record is in the head. */
  runs: 3,
} as const

/**
 * Maximum time, in ms, from a starting slot to the next slot of its job. If the next slot comes later, the head must not store
 * the starting slot.
 *
 * An index finds the running occurrences in heads. This rule limits the size of the index: the index has at most as many
 * entries as slots start within this time.
 */
const nearMs = 90_000

/** Maximum size of the texts of an occurrence in a head, in bytes. Longer texts would make heads large. */
const mostText = 500

/**
 * Returns whether a starting slot may be stored in the head of its job. {@link near} and {@link isShort} are the same
 * conditions in SQL.
 */
export function mayStandInHead(scheduledAt: number, nextAt: number | null, texts: readonly (string | null)[]): boolean {
  if (nextAt === null || nextAt >= scheduledAt + nearMs) return false
  let length = 0
  for (const text of texts) if (text !== null) length += text.length
  // A UTF-16 unit takes at most three bytes in UTF-8.
  if (length * 3 <= mostText) return true
  return length <= mostText && texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0) <= mostText
}

/** Returns an SQL condition: the next instant is less than `nearMs` after the scheduled time. */
export function near(row: string): string {
  return `${row}.next_at < ${row}.scheduled_at + ${nearMs}`
}

/** Returns the SQL condition that the texts of an occurrence are short enough for a head. */
export function isShort(row: string): string {
  return `octet_length(coalesce(${row}.details, '')) + octet_length(coalesce(${row}.runs, '')) <= ${mostText}`
}

/** The columns of `live`, each with the SQL expression that gives its value for a running occurrence in a head. */
const columns = [
  ['id', 'run_id'],
  ['job', 'id'],
  ['scheduled_at', 'run_at'],
  ['state', `${lanes.running}::smallint`],
  ['kind', '0::smallint'],
  ['token', '1'],
  ['sequence', '0'],
  ['rescues', '0'],
  ['job_version', 'run_version'],
  ['owner', 'run_owner'],
  ['due_at', 'run_at'],
  ['created_at', 'run_started'],
  ['started_at', 'run_started'],
  ['timeout', 'run_timeout'],
  ['reason', 'NULL::text'],
  ['cancel', 'NULL::text'],
  ['details', 'run_details'],
  ['runs', 'run_runs'],
] as const

const standing = (row: string, value: string) => (/^[a-z_]+$/.test(value) ? `${row}.${value}` : value)

/** Returns an SQL select list for an occurrence in a head. Corresponds to `liveColumns` for the table `live`. */
export function headRunColumns(row: string): string {
  const selected = columns.map(([name, value]) => `${standing(row, value)} AS ${name}`)
  return `${selected.join(', ')}, NULL::bigint AS finished_at`
}

/**
 * Returns SQL that selects the running occurrences in heads. The SQL condition `condition` selects the heads, under the name
 * `h`.
 */
export function headRuns(schema: string, condition: string, more = ''): string {
  return `SELECT ${headRunColumns('h')}${more} FROM ${schema}.heads h WHERE h.run_state = ${inHead.runs} AND ${condition}`
}

const liveNames = columns.map(([name]) => (name === 'scheduled_at' ? 'order_at' : name)).join(', ')

/**
 * Returns SQL that inserts rows into `live`. An earlier part of the statement has moved these rows out of heads, under the name
 * `moved`.
 */
export function insertMoved(schema: string): string {
  return `INSERT INTO ${schema}.live (${liveNames})
      SELECT ${columns.map(([, value]) => standing('m', value)).join(', ')} FROM moved m`
}
