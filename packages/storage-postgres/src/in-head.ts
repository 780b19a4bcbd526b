import { lanes } from './state-codes.ts'

/** In `run_state` of a head: what the columns `run_…` are about. Below `never`, a slot that starts may stand there. */
export const inHead = {
  /** An occurrence that has ended, or none. */
  ended: 0,
  /** One that was moved to `live`. */
  moved: 1,
  /** One that was moved to `live`; and none of this job shall stand in the head any more. */
  never: 2,
  /** One that runs. */
  runs: 3,
} as const

/**
 * Of a job whose slots lie so close together, in milliseconds, one that starts may stand in the head. Such jobs have an index,
 * by which the running ones are found: each of its entries has started within this time, so it follows the rate.
 */
const nearMs = 90_000

/** What is longer, in bytes, would make heads large. */
const mostText = 500

/** Whether a slot that starts may stand in the head of its job, as {@link near} and {@link isShort} say it in SQL. */
export function mayStandInHead(scheduledAt: number, nextAt: number | null, texts: readonly (string | null)[]): boolean {
  if (nextAt === null || nextAt >= scheduledAt + nearMs) return false
  let length = 0
  for (const text of texts) if (text !== null) length += text.length
  // A character takes three bytes at most.
  if (length * 3 <= mostText) return true
  return length <= mostText && texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0) <= mostText
}

/** Whether the next slot follows soon. */
export function near(row: string): string {
  return `${row}.next_at < ${row}.scheduled_at + ${nearMs}`
}

/** Whether the texts of an occurrence are short. */
export function isShort(row: string): string {
  return `octet_length(coalesce(${row}.details, '')) + octet_length(coalesce(${row}.runs, '')) <= ${mostText}`
}

/** The columns of `heads` for the occurrence that runs in the head, under the names that they have in `live`. */
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

/** What to select from `heads` for the occurrence in a head, as `liveColumns` from `live`. */
export function headRunColumns(row: string): string {
  const selected = columns.map(([name, value]) => `${standing(row, value)} AS ${name}`)
  return `${selected.join(', ')}, NULL::bigint AS finished_at`
}

/** Selects the occurrences that run in heads, of the jobs that the condition on `h` names. */
export function headRuns(schema: string, condition: string, more = ''): string {
  return `SELECT ${headRunColumns('h')}${more} FROM ${schema}.heads h WHERE h.run_state = ${inHead.runs} AND ${condition}`
}

const liveNames = columns.map(([name]) => (name === 'scheduled_at' ? 'order_at' : name)).join(', ')

/** Inserts what has just been moved out of heads, which are the rows of `moved`. */
export function insertMoved(schema: string): string {
  return `INSERT INTO ${schema}.live (${liveNames})
      SELECT ${columns.map(([, value]) => standing('m', value)).join(', ')} FROM moved m`
}
