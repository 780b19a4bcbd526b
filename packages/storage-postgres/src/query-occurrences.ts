import {
  compareAddresses,
  cursorError,
  failedStates,
  isFinal,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type OccurrenceState,
  type Page,
  pageOf,
} from '@jobistemer/core/storage'
import { uuidOrNull } from './ids.ts'
import { headRuns } from './in-head.ts'
import { historyColumns, lanes, liveColumns, readOccurrence, stateCodes, withOwners } from './occurrence-row.ts'
import { printPlace, readPlace } from './places.ts'
import { numberOf, type Row, type Session, storeText, Values } from './sql.ts'

type Query<Kind extends OccurrenceQuery['kind']> = Extract<OccurrenceQuery, { readonly kind: Kind }>

/**
 * Maximum number of occurrences that a call scans for one page. After this number, the call returns a cursor, even if
 * it has found no items.
 */
const scanLimit = 10_000

/** Returns a page of occurrences that match a query. */
export async function listOccurrences(
  session: Session,
  schema: string,
  query: OccurrenceQuery,
): Promise<Page<OccurrenceRecord>> {
  switch (query.kind) {
    case 'job':
      return await listOfJob(session, schema, query)
    case 'live':
      return await listLive(session, schema, query)
    case 'failed':
      return await listFailed(session, schema, query)
  }
}

// -------------------------------------------------------------------------------------------------------------- of a job

async function listOfJob(session: Session, schema: string, query: Query<'job'>): Promise<Page<OccurrenceRecord>> {
  const job = uuidOrNull(query.jobId)
  if (job === null) return { items: [], cursor: null }
  const { limit, states, runs } = query
  const values = new Values()
  const ofJob = `job = ${values.add(job, 'uuid')}`
  const range = rangeOf(query, 'scheduled_at', values)
  const isOfJob = `${ofJob} ${range.conditions}`
  const codes = (states ?? (Object.keys(stateCodes) as OccurrenceState[])).flatMap((state) => stateCodes[state])
  const live = codes.filter((code) => code <= lanes.running)
  const order = `ORDER BY scheduled_at ${range.direction}, id ${range.direction}`
  // An index has the occurrences without a priority in the order of scheduled time. Occurrences with a priority are not
  // in this order, so the query sorts them.
  const plain = `${ofJob} AND priority IS NULL ${range.conditions.replaceAll('scheduled_at', 'order_at')}`
  const inOrder = order.replace('scheduled_at', 'order_at')
  const sources = live.map((code) => {
    return `(SELECT ${liveColumns} FROM ${schema}.live WHERE state = ${code} AND ${plain} ${inOrder} LIMIT ${limit + 1})`
  })
  if (live.includes(lanes.running)) {
    const conditions = range.conditions.replaceAll('scheduled_at', 'h.run_at').replaceAll(', id)', ', h.run_id)')
    sources.push(`(${headRuns(schema, `h.${ofJob.replace('job', 'id')} ${conditions}`)})`)
  }
  const waiting = live.filter((code) => code < lanes.running)
  if (waiting.length > 0) {
    const prioritized = `SELECT ${liveColumns} FROM ${schema}.live WHERE ${ofJob} AND priority IS NOT NULL AND state IN (${waiting.join(', ')})`
    sources.push(`(SELECT * FROM (${prioritized}) p WHERE true ${range.conditions} ${order} LIMIT ${limit + 1})`)
  }
  const finished = states?.filter(isFinal)
  const wantsSome = finished !== undefined && finished.length > 0 && finished.length < 7
  if (finished === undefined || finished.length > 0) {
    const scan = `SELECT ${historyColumns} FROM ${schema}.history WHERE ${isOfJob} ${order}`
    const wanted = wantsSome ? `WHERE state IN (${finished.map((state) => stateCodes[state]).join(', ')})` : ''
    sources.push(`(SELECT * FROM (${scan} LIMIT ${scanLimit}) s ${wanted} ${order} LIMIT ${limit + 1})`)
  }
  if (sources.length === 0) return { items: [], cursor: null }
  const page = `SELECT * FROM (${sources.join(' UNION ALL ')}) a ${order} LIMIT ${limit + 1}`
  const place = placeOf('scheduled_at')
  if (!wantsSome) {
    return recordsOf(await session.query(`${withOwners(schema, page, runs)} ${order}`, values.list), query, place)
  }
  // One statement reads the page and finds the last scanned row. With two statements, retention could remove this row between
  // them.
  const end = `SELECT id AS end_id, scheduled_at AS end_at FROM ${schema}.history
    WHERE ${isOfJob} AND (SELECT count(*) FROM page) <= ${limit} ${order} OFFSET ${scanLimit - 1} LIMIT 1`
  const found = await session.query(
    `WITH page AS MATERIALIZED (${page}) SELECT * FROM (VALUES (1)) one LEFT JOIN (${end}) e ON true
       LEFT JOIN (${withOwners(schema, 'SELECT * FROM page', runs)}) p ON true ${order}`,
    values.list,
  )
  const rows = found.filter(({ id }) => id !== null)
  const [first] = found
  if (first === undefined || first.end_id === null) return recordsOf(rows, query, place)
  const lookedTo = { scheduledAt: numberOf(first.end_at), id: `occ_${first.end_id}` }
  const sign = query.order === 'ascending' ? 1 : -1
  return {
    // Live occurrences after the last scanned row belong to the next page.
    items: rows
      .map((row) => readOccurrence(row, runs))
      .filter((record) => sign * compareAddresses(record, lookedTo) <= 0),
    cursor: printPlace(lookedTo.scheduledAt, lookedTo.id),
  }
}

/** Returns the SQL conditions and the sort direction of a list that is sorted by an instant. */
function rangeOf(
  { from, to, cursor, order }: Pick<Query<'job'>, 'from' | 'to' | 'cursor' | 'order'>,
  column: 'scheduled_at' | 'finished_at',
  values: Values,
) {
  const conditions: string[] = []
  if (from !== undefined && Number.isFinite(from))
    conditions.push(`AND ${column} >= ${values.add(String(from), 'bigint')}`)
  if (to !== undefined && Number.isFinite(to)) conditions.push(`AND ${column} < ${values.add(String(to), 'bigint')}`)
  if (cursor !== null) {
    const { at, uuid } = readPlace(cursor)
    const comparison = order === 'ascending' ? '>' : '<'
    const place = `(${values.add(String(at), 'bigint')}, ${values.add(uuid, 'uuid')})`
    // The second condition alone, with the id, would be sufficient. The first condition lets PostgreSQL use an index that
    // does not contain the id.
    conditions.push(
      `AND ${column} ${comparison}= ${values.add(String(at), 'bigint')} AND (${column}, id) ${comparison} ${place}`,
    )
  }
  return { conditions: conditions.join(' '), direction: order === 'ascending' ? 'ASC' : 'DESC' }
}

function recordsOf(
  rows: readonly Row[],
  { limit, runs }: Pick<OccurrenceQuery, 'limit' | 'runs'>,
  cursorOf: (row: Row) => string,
): Page<OccurrenceRecord> {
  const { items, cursor } = pageOf(rows, limit, cursorOf)
  return { items: items.map((row) => readOccurrence(row, runs)), cursor }
}

function placeOf(column: 'scheduled_at' | 'finished_at'): (row: Row) => string {
  return (row) => printPlace(numberOf(row[column]), `occ_${row.id}`)
}

// ------------------------------------------------------------------------------------------------------------- failures

async function listFailed(session: Session, schema: string, query: Query<'failed'>): Promise<Page<OccurrenceRecord>> {
  const values = new Values()
  const { conditions, direction } = rangeOf(query, 'finished_at', values)
  const codes = failedStates.map((state) => stateCodes[state])
  const job = query.jobId === undefined ? undefined : uuidOrNull(query.jobId)
  if (job === null) return { items: [], cursor: null }
  const ofJob = job === undefined ? '' : `AND job = ${values.add(job, 'uuid')}`
  const order = `ORDER BY finished_at ${direction}, id ${direction}`
  const rows = await session.query(
    `${withOwners(
      schema,
      `SELECT ${historyColumns} FROM ${schema}.history WHERE state IN (${codes.join(', ')}) ${ofJob} ${conditions}
       ${order} LIMIT ${query.limit + 1}`,
      query.runs,
    )} ${order}`,
    values.list,
  )
  return recordsOf(rows, query, placeOf('finished_at'))
}

// ----------------------------------------------------------------------------------------------------------------- live

/**
 * Lists live occurrences, sorted by job, then by `order_at`, then by id. `order_at` is the scheduled time, or `orderAt` of
 * a waiting occurrence.
 *
 * When a pending occurrence becomes claimable, the code of its state changes. So the query reads the rows of all codes
 * of the state (see `stateCodes`) in one order. If a code changes between two pages, the second page still contains the
 * occurrence.
 */
async function listLive(session: Session, schema: string, query: Query<'live'>): Promise<Page<OccurrenceRecord>> {
  const { state, node, deadlineBefore, cursor, limit, runs } = query
  const values = new Values()
  const codes = stateCodes[state]
  const conditions: string[] = []
  const ofHeads = ['h.is_quick']
  if (node !== undefined) {
    const owners = `IN (SELECT row FROM ${schema}.owners WHERE node = ${values.add(storeText(node), 'text')})`
    conditions.push(`l.owner ${owners}`)
    ofHeads.push(`h.run_owner ${owners}`)
  }
  if (deadlineBefore !== undefined && Number.isFinite(deadlineBefore)) {
    const before = values.add(String(deadlineBefore), 'bigint')
    conditions.push(`l.started_at + l.timeout <= ${before}`)
    ofHeads.push(`h.run_started + h.run_timeout <= ${before}`)
  }
  if (cursor !== null) {
    const match = /^([0-9a-f-]{36}) (-?\d{1,16}) ([0-9a-f-]{36})$/.exec(cursor)
    if (match === null) throw cursorError(cursor)
    const [, job, at, id] = match as unknown as readonly [string, string, string, string]
    const afterJob = values.add(job, 'uuid')
    const place = [afterJob, values.add(at, 'bigint'), values.add(id, 'uuid')].join(', ')
    conditions.push(`(l.job, l.order_at, l.id) > (${place})`)
    ofHeads.push(`h.id >= ${afterJob} AND (h.id, h.run_at, h.run_id) > (${place})`)
  }
  const order = 'ORDER BY job, order_at, id'
  const rest = `${order} LIMIT ${limit + 1}`
  const sources = codes.map((code) => {
    const isWanted = [`l.state = ${code}`, ...conditions].join(' AND ')
    return `(SELECT ${liveColumns}, order_at FROM ${schema}.live l WHERE ${isWanted} ${rest})`
  })
  if (state === 'running') {
    sources.push(
      `(${headRuns(schema, ofHeads.join(' AND '), ', h.run_at AS order_at')} ORDER BY h.id LIMIT ${limit + 1})`,
    )
  }
  const all = `SELECT * FROM (${sources.join(' UNION ALL ')}) a ${rest}`
  const rows = await session.query(`${withOwners(schema, all, runs, ', order_at')} ${order}`, values.list)
  return recordsOf(rows, { limit, runs }, (row) => `${row.job} ${numberOf(row.order_at)} ${row.id}`)
}
