import { codec1, type JobRecord, type JobWrite } from '@jobistemer/core/storage'
import { pausedUntil } from '@jobistemer/core/storage'
import { uuidOf } from './ids.ts'
import { printStarts } from './job-row.ts'
import { forEver } from './schema.ts'
import { plainArray, type Session, textArray } from './sql.ts'
import { lanes } from './state-codes.ts'
import { storeText, storeTextOrNull } from './stored-text.ts'

/** Another connection has made a job that was not there when the step looked. */
export class JobAppeared extends Error {}

type Column = readonly [name: string, type: string, values: string]

/** Writes what jobs are, their heads included, with the counts as they were: the step that follows writes those. */
export async function saveJobs(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  const created = writes.filter(({ before }) => before === null)
  const changed = writes.filter(({ before, after }) => before !== null && after.job !== before.job)
  if (created.length > 0) await insertJobs(session, schema, created)
  if (changed.length > 0) await updateJobs(session, schema, changed)
  const versions = [...created, ...changed].flatMap((write) => write.versions)
  if (versions.length > 0) {
    const columns: readonly Column[] = [
      ['job', 'uuid', plainArray(versions.map(({ jobId }) => uuidOf(jobId)))],
      ['version', 'integer', plainArray(versions.map(({ version }) => version))],
      ['created_at', 'bigint', plainArray(versions.map(({ createdAt }) => createdAt))],
      ['fingerprint', 'text', textArray(versions.map(({ fingerprint }) => storeText(fingerprint)))],
      ['definition', 'text', textArray(versions.map(({ definition }) => JSON.stringify(definition)))],
    ]
    await session.query(
      `INSERT INTO ${schema}.versions (${namesOf(columns)}, superseded) SELECT ${namesOf(columns)}, false FROM ${rowsOf(columns)}`,
      valuesOf(columns),
    )
  }
  if (changed.length === 0) return
  const inForce: readonly Column[] = [
    ['id', 'uuid', plainArray(changed.map(({ jobId }) => uuidOf(jobId)))],
    ['version', 'integer', plainArray(changed.map(({ after }) => after.head.version))],
  ]
  await session.query(
    `UPDATE ${schema}.versions v SET superseded = true FROM ${rowsOf(inForce)}
     WHERE v.job = w.id AND v.version < w.version AND NOT v.superseded`,
    valuesOf(inForce),
  )
  await movePending(session, schema, changed)
}

async function insertJobs(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  const heads = headColumns(writes)
  const rows = await session.query(
    `INSERT INTO ${schema}.heads (${namesOf(heads)}, top, found_at, revision, pending, delayed, queued, running)
     SELECT ${namesOf(heads)}, watermark, next_at, 0, 0, 0, 0, 0 FROM ${rowsOf(heads)} ORDER BY id ON CONFLICT DO NOTHING RETURNING id`,
    valuesOf(heads),
  )
  if (rows.length < writes.length) throw new JobAppeared()
  const jobs = jobColumns(writes)
  await session.query(
    `INSERT INTO ${schema}.jobs (${namesOf(jobs)}) SELECT ${namesOf(jobs)} FROM ${rowsOf(jobs)}`,
    valuesOf(jobs),
  )
}

async function updateJobs(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  // Nothing runs in these heads: the step that this is part of moves it out.
  for (const [table, columns, more] of [
    ['heads', headColumns(writes), ', is_quick = false'],
    ['jobs', jobColumns(writes), ''],
  ] as const) {
    const sets = columns.slice(1).map(([name]) => `${name} = w.${name}`)
    await session.query(
      `UPDATE ${schema}.${table} t SET ${sets.join(', ')}${more} FROM ${rowsOf(columns)} WHERE t.id = w.id`,
      valuesOf(columns),
    )
  }
}

/** A pause that begins, is replaced or is lifted decides from when on what is pending may be claimed. */
async function movePending(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  const moved = writes.filter(({ before, after }) => {
    return pausedUntil(before?.head.paused ?? null) !== pausedUntil(after.head.paused)
  })
  if (moved.length === 0) return
  const columns: readonly Column[] = [
    ['job', 'uuid', plainArray(moved.map(({ jobId }) => uuidOf(jobId)))],
    ['until', 'bigint', plainArray(moved.map(({ after }) => storedPauseEnd(after.head)))],
  ]
  await session.query(
    `UPDATE ${schema}.live l SET
       state = CASE WHEN w.until = ${forEver} THEN ${lanes.parked} ELSE ${lanes.delayed} END,
       claim_at = CASE WHEN w.until = ${forEver} THEN NULL ELSE greatest(l.due_at, w.until) END
     FROM ${rowsOf(columns)} WHERE l.job = w.job AND l.state <= ${lanes.parked}`,
    valuesOf(columns),
  )
}

function headColumns(writes: readonly JobWrite[]): readonly Column[] {
  const heads = writes.map(({ after }) => after.head)
  return [
    ['id', 'uuid', plainArray(heads.map(({ id }) => uuidOf(id)))],
    ['watermark', 'bigint', plainArray(heads.map(({ watermark }) => watermark))],
    ['next_at', 'bigint', plainArray(heads.map(({ nextAt }) => nextAt))],
    ['prune_floor', 'bigint', plainArray(heads.map(({ pruneFloor }) => pruneFloor))],
    ['paused_until', 'bigint', plainArray(heads.map(storedPauseEnd))],
    ['deleted_at', 'bigint', plainArray(heads.map(({ deletedAt }) => deletedAt))],
    ['max_queued', 'bigint', plainArray(heads.map(({ overlap }) => overlap.maxQueued))],
    ['max_concurrency', 'integer', plainArray(heads.map(({ overlap }) => overlap.maxConcurrency ?? 1))],
    ['version', 'integer', plainArray(heads.map(({ version }) => version))],
    ['cancels_below', 'integer', plainArray(heads.map(({ cancelsBelow }) => cancelsBelow))],
    ['starts', 'text', textArray(heads.map(printStarts))],
    ['policy', 'smallint', plainArray(heads.map(({ overlap }) => codec1.policyCodes[overlap.policy]))],
    ['handler_key', 'text', textArray(heads.map(({ handlerKey }) => storeText(handlerKey)))],
  ]
}

function storedPauseEnd({
  paused,
}: Pick<JobRecord, 'paused'> | { readonly paused: { readonly until?: number } | null }): number | null {
  const until = pausedUntil(paused)
  if (paused === null) return null
  return Number.isFinite(until) ? until : forEver
}

function jobColumns(writes: readonly JobWrite[]): readonly Column[] {
  const jobs = writes.map(({ after }) => after.job as JobRecord)
  return [
    ['id', 'uuid', plainArray(jobs.map(({ id }) => uuidOf(id)))],
    ['created_at', 'bigint', plainArray(jobs.map(({ createdAt }) => createdAt))],
    ['changed_at', 'bigint', plainArray(jobs.map(({ changedAt }) => changedAt))],
    ['deleted_at', 'bigint', plainArray(jobs.map(({ deletedAt }) => deletedAt))],
    ['name', 'text', textArray(jobs.map(({ name }) => storeText(name)))],
    ['owner', 'text', textArray(jobs.map(({ owner }) => storeTextOrNull(owner)))],
    ['fingerprint', 'text', textArray(jobs.map(({ fingerprint }) => storeText(fingerprint)))],
    ['lineage', 'text', textArray(jobs.map(({ lineage }) => JSON.stringify(lineage)))],
    ['timeline', 'text', textArray(jobs.map(({ timeline }) => JSON.stringify(timeline)))],
    ['paused', 'text', textArray(jobs.map(({ paused }) => (paused === null ? null : JSON.stringify(paused))))],
  ]
}

function namesOf(columns: readonly Column[]): string {
  return columns.map(([name]) => name).join(', ')
}

/** The columns as rows named `w`. */
function rowsOf(columns: readonly Column[]): string {
  const arrays = columns.map(([, type], index) => `$${index + 1}::text::${type}[]`)
  return `unnest(${arrays.join(', ')}) w (${namesOf(columns)})`
}

function valuesOf(columns: readonly Column[]): readonly string[] {
  return columns.map(([, , values]) => values)
}
