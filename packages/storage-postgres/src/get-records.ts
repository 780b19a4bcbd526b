import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { GetAnswer, GetRequest, LiveCounts } from '@jobistemer/core/storage'
import { jobIdOf, uuidOrNull } from './ids.ts'
import { headRuns } from './in-head.ts'
import { readJob, readVersion, selectJobs } from './job-row.ts'
import { historyColumns, liveColumns, readOccurrence, withOwners } from './occurrence-row.ts'
import { eachOf, numberOf, plainArray, type Row, type Session } from './sql.ts'

const noCounts: LiveCounts = Object.freeze({ pending: 0, queued: 0, running: 0 })

/** Maximum number of a job's newest occurrences that the search for its latest run reads. */
const latestLimit = 1000

/** Reads records by their ids. Each list of the answer comes from one snapshot. */
export async function get(session: Session, schema: string, request: GetRequest): Promise<GetAnswer> {
  const { jobs = [], versions = [], occurrences = [], counts = [], latest = [] } = request
  const jobRows = await readJobs(session, schema, jobs)
  return {
    jobs: jobs.map((id) => jobRows.get(id) ?? null),
    versions: await readVersions(session, schema, versions),
    occurrences: await readOccurrences(session, schema, occurrences),
    counts: await readCounts(session, schema, counts),
    latest: await readLatest(session, schema, latest),
  }
}

/**
 * Runs a statement whose only parameter is an array of UUIDs. Omits ids that contain no UUID, because no such id is
 * stored.
 */
async function rowsOf(session: Session, text: string, ids: readonly (JobId | OccurrenceId)[]): Promise<readonly Row[]> {
  const found = [...new Set(ids.flatMap((id) => uuidOrNull(id) ?? []))]
  return found.length === 0 ? [] : await session.query(text, [plainArray(found)])
}

async function readJobs(session: Session, schema: string, ids: readonly JobId[]) {
  const rows = await rowsOf(session, eachOf('$1', `${selectJobs(schema)} WHERE h.id = n.id`), ids)
  return new Map(rows.map(readJob).map((job) => [job.id, job]))
}

async function readVersions(
  session: Session,
  schema: string,
  wanted: NonNullable<GetRequest['versions']>,
): Promise<GetAnswer['versions']> {
  const known = wanted.filter(({ jobId }) => uuidOrNull(jobId) !== null)
  if (known.length === 0) return wanted.map(() => null)
  const rows = await session.query(
    `SELECT v.* FROM unnest($1::text::uuid[], $2::text::bigint[]) w (job, version)
     JOIN ${schema}.versions v ON v.job = w.job AND v.version = w.version`,
    [plainArray(known.map(({ jobId }) => uuidOrNull(jobId))), plainArray(known.map(({ version }) => version))],
  )
  const found = new Map(rows.map(readVersion).map((version) => [`${version.jobId} ${version.version}`, version]))
  return wanted.map(({ jobId, version }) => found.get(`${jobId} ${version}`) ?? null)
}

async function readOccurrences(
  session: Session,
  schema: string,
  ids: readonly OccurrenceId[],
): Promise<GetAnswer['occurrences']> {
  const byId = `${eachOf('$1', `SELECT ${liveColumns} FROM ${schema}.live WHERE id = n.id`)}
    UNION ALL ${eachOf('$1', `SELECT ${historyColumns} FROM ${schema}.history WHERE id = n.id`)}`
  // The `coalesce` around the `IN` makes PostgreSQL build one hash table of the ids. Without it, PostgreSQL would
  // compare each row with all ids.
  const inHeads = headRuns(schema, 'h.is_quick AND coalesce(h.run_id IN (SELECT unnest($1::text::uuid[])), false)')
  const select = async (source: string) => {
    const rows = await rowsOf(session, withOwners(schema, source), ids)
    return new Map(rows.map((row) => readOccurrence(row)).map((record) => [record.id, record]))
  }
  let found = await select(byId)
  // Heads have no index over the ids of their occurrences. So the first statement searches only the tables `live` and
  // `history`. If it misses an id, the second statement also searches all heads that may store a running occurrence
  // (`is_quick`). The second statement searches both tables again, because an occurrence may have moved after the first
  // statement.
  if (ids.some((id) => !found.has(id))) found = await select(`${byId} UNION ALL ${inHeads}`)
  return ids.map((id) => found.get(id) ?? null)
}

async function readCounts(
  session: Session,
  schema: string,
  wanted: readonly (JobId | 'all')[],
): Promise<GetAnswer['counts']> {
  const jobs = wanted.filter((id) => id !== 'all')
  const text = eachOf('$1', `SELECT id, pending, queued, running FROM ${schema}.heads WHERE id = n.id`)
  const rows = await rowsOf(session, text, jobs)
  const found = new Map<JobId | 'all', LiveCounts>(rows.map((row) => [jobIdOf(row.id), countsOf(row)]))
  if (jobs.length < wanted.length) {
    const [sums] = await session.query(
      `SELECT sum(pending)::bigint AS pending, sum(queued)::bigint AS queued, sum(running)::bigint AS running
       FROM ${schema}.live_sums`,
    )
    found.set('all', countsOf(sums as Row))
  }
  return wanted.map((id) => found.get(id) ?? noCounts)
}

function countsOf(row: Row): LiveCounts {
  return { pending: numberOf(row.pending), queued: numberOf(row.queued), running: numberOf(row.running) }
}

async function readLatest(session: Session, schema: string, ids: readonly JobId[]): Promise<GetAnswer['latest']> {
  const newest = `SELECT y.* FROM unnest($1::text::uuid[]) n (job) CROSS JOIN LATERAL (
    SELECT * FROM (
      SELECT ${historyColumns} FROM ${schema}.history WHERE job = n.job
      ORDER BY scheduled_at DESC, id DESC LIMIT ${latestLimit}
    ) newest WHERE token > 0 ORDER BY scheduled_at DESC, id DESC LIMIT 1
  ) y`
  const rows = await rowsOf(session, withOwners(schema, newest, false), ids)
  const found = new Map(rows.map((row) => readOccurrence(row, false)).map((record) => [record.jobId, record]))
  return ids.map((id) => found.get(id) ?? null)
}
