import { cursorError, type DueJobs, type JobQuery, type JobRecord, type Page, pageOf } from '@jobistemer/core/storage'
import { anyOf, foundAheadMs, numberOf, plainArray, type Session, type SqlValue, storeText } from './sql.ts'
import { uuidOrNull } from './ids.ts'
import { readJob, selectJobs } from './job-row.ts'
import { printPlace, readPlace } from './places.ts'

/** Returns a page of jobs that match a query. */
export async function listJobs(session: Session, schema: string, query: JobQuery): Promise<Page<JobRecord>> {
  return query.due === undefined
    ? await listById(session, schema, query)
    : await listDue(session, schema, query, query.due)
}

async function listById(session: Session, schema: string, query: JobQuery): Promise<Page<JobRecord>> {
  const { limit, cursor, changedSince, owner, deleted = false } = query
  const conditions: string[] = deleted ? [] : ['h.deleted_at IS NULL']
  const values: SqlValue[] = [String(limit + 1)]
  const value = (one: SqlValue) => `$${values.push(one)}::text`
  if (changedSince !== undefined) conditions.push(`j.changed_at >= ${value(String(changedSince))}::bigint`)
  if (owner !== undefined) conditions.push(`j.owner = ${value(storeText(owner))}`)
  if (cursor !== null) {
    const after = cursor.startsWith('job_') ? uuidOrNull(cursor as `job_${string}`) : null
    if (after === null) throw cursorError(cursor)
    conditions.push(`h.id > ${value(after)}::uuid`)
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const rows = await session.query(`${selectJobs(schema)} ${where} ORDER BY h.id LIMIT $1::text::bigint`, values)
  return pageOf(rows.map(readJob), limit, ({ id }) => id)
}

/**
 * Lists due jobs in the order of the index over `found_at`. So jobs whose next instants differ by less than {@link
 * foundAheadMs} may be out of order.
 */
async function listDue(
  session: Session,
  schema: string,
  { limit, cursor }: JobQuery,
  { after, upTo, shards }: DueJobs,
): Promise<Page<JobRecord>> {
  const values: SqlValue[] = [String(limit + 1), String(upTo)]
  const value = (one: SqlValue) => `$${values.push(one)}::text`
  const conditions = ['h.found_at <= $2::text::bigint', 'h.next_at <= $2::text::bigint', 'h.deleted_at IS NULL']
  if (cursor !== null) {
    const { at, uuid } = readPlace(cursor)
    conditions.push(`(h.found_at, h.id) > (${value(String(at))}::bigint, ${value(uuid)}::uuid)`)
  }
  if (after !== undefined && Number.isFinite(after)) {
    conditions.push(`h.next_at > ${value(String(after))}::bigint`)
    if (cursor === null) conditions.push(`h.found_at > ${value(String(after - foundAheadMs))}::bigint`)
  }
  if (shards !== undefined) {
    conditions.push(`get_byte(uuid_send(h.id), 0) = ${anyOf(value(plainArray(shards)), 'integer')}`)
  }
  const rows = await session.query(
    `${selectJobs(schema)} WHERE ${conditions.join(' AND ')} ORDER BY h.found_at, h.id LIMIT $1::text::bigint`,
    values,
  )
  const last = rows[limit - 1]
  return pageOf(rows.map(readJob), limit, ({ id }) => printPlace(numberOf(last?.found_at), id))
}
