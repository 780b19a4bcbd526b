import { cursorError, type DueJobs, type JobQuery, type JobRecord, type Page, pageOf } from '@jobistemer/core/storage'
import { anyOf, foundAheadMs, numberOf, plainArray, type Session, storeText, Values } from './sql.ts'
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
  const values = new Values()
  const most = values.add(String(limit + 1), 'bigint')
  if (changedSince !== undefined) conditions.push(`j.changed_at >= ${values.add(String(changedSince), 'bigint')}`)
  if (owner !== undefined) conditions.push(`j.owner = ${values.add(storeText(owner), 'text')}`)
  if (cursor !== null) {
    const after = cursor.startsWith('job_') ? uuidOrNull(cursor as `job_${string}`) : null
    if (after === null) throw cursorError(cursor)
    conditions.push(`h.id > ${values.add(after, 'uuid')}`)
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const rows = await session.query(`${selectJobs(schema)} ${where} ORDER BY h.id LIMIT ${most}`, values.list)
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
  const values = new Values()
  const [most, until] = [values.add(String(limit + 1), 'bigint'), values.add(String(upTo), 'bigint')]
  const conditions = [`h.found_at <= ${until}`, `h.next_at <= ${until}`, 'h.deleted_at IS NULL']
  if (cursor !== null) {
    const { at, uuid } = readPlace(cursor)
    conditions.push(`(h.found_at, h.id) > (${values.add(String(at), 'bigint')}, ${values.add(uuid, 'uuid')})`)
  }
  if (after !== undefined && Number.isFinite(after)) {
    conditions.push(`h.next_at > ${values.add(String(after), 'bigint')}`)
    if (cursor === null) conditions.push(`h.found_at > ${values.add(String(after - foundAheadMs), 'bigint')}`)
  }
  if (shards !== undefined) {
    conditions.push(`get_byte(uuid_send(h.id), 0) = ${anyOf(values.add(plainArray(shards), 'text'), 'integer')}`)
  }
  const where = conditions.join(' AND ')
  const text = `${selectJobs(schema)} WHERE ${where} ORDER BY h.found_at, h.id LIMIT ${most}`
  const rows = await session.query(text, values.list)
  const last = rows[limit - 1]
  return pageOf(rows.map(readJob), limit, ({ id }) => printPlace(numberOf(last?.found_at), id))
}
