import type { JobId } from '@jobistemer/core'
import {
  codec1,
  definitionOfStored,
  type JobCounts,
  type JobRecord,
  jobRecordOf,
  type JobVersionRecord,
  type JobWrite,
  type LedgerHead,
  lineageOfStored,
  numbersOfStored,
  overlapRuleOf,
  parseStored,
  pausedUntil,
  type PauseEnd,
  pauseOfStored,
  readStartNumbers,
  startNumbersOf,
  type StoredJob,
  timelineOfStored,
} from '@jobistemer/core/storage'
import { jobIdOf, uuidOf } from './ids.ts'
import { forEver } from './schema.ts'
import {
  arrayOf,
  numberOf,
  numberOrNull,
  readText,
  readTextOrNull,
  type Row,
  type Session,
  storeText,
  storeTextOrNull,
} from './sql.ts'
import { lanes } from './occurrence-row.ts'

/** A job with its head, as read by a step. */
export interface ReadJob extends StoredJob {
  /** A number that grows with each step that writes anything about the job. */
  readonly revision: number
}

/** Returns SQL that selects heads with the definitions of their jobs, for {@link readJob}. */
export function selectJobs(schema: string): string {
  return `SELECT h.*, j.name, j.owner, j.fingerprint, j.lineage, j.timeline, j.paused, j.created_at, j.changed_at,
      v.definition
    FROM ${schema}.heads h JOIN ${schema}.jobs j ON j.id = h.id
    JOIN ${schema}.versions v ON v.job = h.id AND v.version = h.version`
}

/** Reads the head from a row with the columns of `heads`. */
export function readHead(row: Row, id: JobId): LedgerHead {
  const { startRate, ...starts } = readStartNumbers(
    row.starts == null ? null : numbersOfStored(parseStored(row.starts as string)),
  )
  const until = numberOrNull(row.paused_until)
  return {
    id,
    version: numberOf(row.version),
    handlerKey: readText(row.handler_key),
    overlap: overlapRuleOf(
      codec1.policyOf(numberOf(row.policy)),
      numberOf(row.max_queued),
      numberOf(row.max_concurrency),
      startRate,
    ),
    watermark: numberOf(row.watermark),
    nextAt: numberOrNull(row.next_at),
    pruneFloor: numberOrNull(row.prune_floor),
    cancelsBelow: numberOrNull(row.cancels_below),
    ...starts,
    deletedAt: numberOrNull(row.deleted_at),
    paused: until === null ? null : until === forEver ? isEndless : { until },
  }
}

/** Returns a job's start rate and last starts as JSON, or `null` if the job has no start rate. */
export function printStarts(head: Pick<JobRecord, 'overlap' | 'starts'>): string | null {
  const numbers = startNumbersOf(head)
  return numbers === null ? null : JSON.stringify(numbers)
}

export function readCounts(row: Row): JobCounts {
  return {
    pending: numberOf(row.pending),
    delayed: numberOf(row.delayed),
    queued: numberOf(row.queued),
    running: numberOf(row.running),
  }
}

const isEndless: PauseEnd = Object.freeze({})

/** Reads the job from a row of {@link selectJobs}. */
export function readJob(row: Row): JobRecord {
  return jobRecordOf(readHead(row, jobIdOf(row.id)), {
    name: readText(row.name),
    owner: readTextOrNull(row.owner),
    fingerprint: readText(row.fingerprint),
    lineage: lineageOfStored(parseStored(row.lineage as string)),
    definition: definitionOfStored(parseStored(row.definition as string)),
    timeline: timelineOfStored(parseStored(row.timeline as string)),
    paused: row.paused === null ? null : pauseOfStored(parseStored(row.paused as string)),
    createdAt: numberOf(row.created_at),
    changedAt: numberOf(row.changed_at),
  })
}

/** Reads the version from a row of `versions`. */
export function readVersion(row: Row): JobVersionRecord {
  return {
    jobId: jobIdOf(row.job),
    version: numberOf(row.version),
    fingerprint: readText(row.fingerprint),
    definition: definitionOfStored(parseStored(row.definition as string)),
    createdAt: numberOf(row.created_at),
  }
}

/** Thrown if another connection created the job between the step's read and its write. */
export class JobAppeared extends Error {}

type Column<Item> = readonly [name: string, type: string, read: (item: Item) => string | number | null]

/**
 * Stores jobs with their heads and versions, but without the counts of the jobs' occurrences. Later, when the step writes its
 * occurrences, it also stores the counts.
 */
export async function saveJobs(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  const created = writes.filter(({ before }) => before === null)
  const changed = writes.filter(({ before, after }) => before !== null && after.job !== before.job)
  if (created.length > 0) await insertJobs(session, schema, created)
  if (changed.length > 0) await updateJobs(session, schema, changed)
  const versions = [...created, ...changed].flatMap((write) => write.versions)
  if (versions.length > 0) {
    const { names, rows, values } = rowsOf(versionColumns, versions)
    const insert = `INSERT INTO ${schema}.versions (${names}) SELECT ${names} FROM ${rows}`
    await session.query(insert, values)
  }
  await movePending(session, schema, changed)
}

async function insertJobs(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  const heads = rowsOf(headColumns, writes.map(headOf))
  const inserted = await session.query(
    `INSERT INTO ${schema}.heads (${heads.names}, top, found_at, revision, pending, delayed, queued, running)
     SELECT ${heads.names}, watermark, next_at, 0, 0, 0, 0, 0 FROM ${heads.rows} ORDER BY id ON CONFLICT DO NOTHING RETURNING id`,
    heads.values,
  )
  if (inserted.length < writes.length) throw new JobAppeared()
  const { names, rows, values } = rowsOf(jobColumns, writes.map(jobOf))
  await session.query(`INSERT INTO ${schema}.jobs (${names}) SELECT ${names} FROM ${rows}`, values)
}

async function updateJobs(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  const update = async (table: string, { sets, rows, values }: Rows, more = '') => {
    await session.query(`UPDATE ${schema}.${table} t SET ${sets}${more} FROM ${rows} WHERE t.id = w.id`, values)
  }
  // Sets `is_quick` to false: after this step, the head of a written job contains no running occurrence. If a head contains one
  // now, the step moves it to the table `live` when it writes its occurrences.
  await update('heads', rowsOf(headColumns, writes.map(headOf)), ', is_quick = false')
  await update('jobs', rowsOf(jobColumns, writes.map(jobOf)))
}

/** If the pause of a job has changed, changes the instants from which claims may take the job's pending occurrences. */
async function movePending(session: Session, schema: string, writes: readonly JobWrite[]): Promise<void> {
  const moved = writes.filter(({ before, after }) => {
    return pausedUntil(before?.head.paused ?? null) !== pausedUntil(after.head.paused)
  })
  if (moved.length === 0) return
  const { rows, values } = rowsOf(pauseColumns, moved.map(headOf))
  await session.query(
    `UPDATE ${schema}.live l SET
       state = CASE WHEN w.until = ${forEver} THEN ${lanes.parked} ELSE ${lanes.delayed} END,
       claim_at = CASE WHEN w.until = ${forEver} THEN NULL ELSE greatest(l.due_at, w.until) END
     FROM ${rows} WHERE l.job = w.job AND l.state <= ${lanes.parked}`,
    values,
  )
}

const headColumns: readonly Column<LedgerHead>[] = [
  ['id', 'uuid', ({ id }) => uuidOf(id)],
  ['watermark', 'bigint', ({ watermark }) => watermark],
  ['next_at', 'bigint', ({ nextAt }) => nextAt],
  ['prune_floor', 'bigint', ({ pruneFloor }) => pruneFloor],
  ['paused_until', 'bigint', storedPauseEnd],
  ['deleted_at', 'bigint', ({ deletedAt }) => deletedAt],
  ['max_queued', 'bigint', ({ overlap }) => overlap.maxQueued],
  ['max_concurrency', 'integer', ({ overlap }) => overlap.maxConcurrency ?? 1],
  ['version', 'integer', ({ version }) => version],
  ['cancels_below', 'integer', ({ cancelsBelow }) => cancelsBelow],
  ['starts', 'text', printStarts],
  ['policy', 'smallint', ({ overlap }) => codec1.policyCodes[overlap.policy]],
  ['handler_key', 'text', ({ handlerKey }) => storeText(handlerKey)],
]

const pauseColumns: readonly Column<LedgerHead>[] = [
  ['job', 'uuid', ({ id }) => uuidOf(id)],
  ['until', 'bigint', storedPauseEnd],
]

const jobColumns: readonly Column<JobRecord>[] = [
  ['id', 'uuid', ({ id }) => uuidOf(id)],
  ['created_at', 'bigint', ({ createdAt }) => createdAt],
  ['changed_at', 'bigint', ({ changedAt }) => changedAt],
  ['deleted_at', 'bigint', ({ deletedAt }) => deletedAt],
  ['name', 'text', ({ name }) => storeText(name)],
  ['owner', 'text', ({ owner }) => storeTextOrNull(owner)],
  ['fingerprint', 'text', ({ fingerprint }) => storeText(fingerprint)],
  ['lineage', 'text', ({ lineage }) => JSON.stringify(lineage)],
  ['timeline', 'text', ({ timeline }) => JSON.stringify(timeline)],
  ['paused', 'text', ({ paused }) => (paused === null ? null : JSON.stringify(paused))],
]

const versionColumns: readonly Column<JobVersionRecord>[] = [
  ['job', 'uuid', ({ jobId }) => uuidOf(jobId)],
  ['version', 'integer', ({ version }) => version],
  ['created_at', 'bigint', ({ createdAt }) => createdAt],
  ['fingerprint', 'text', ({ fingerprint }) => storeText(fingerprint)],
  ['definition', 'text', ({ definition }) => JSON.stringify(definition)],
]

function headOf({ after }: JobWrite): LedgerHead {
  return after.head
}

function jobOf({ after }: JobWrite): JobRecord {
  return after.job as JobRecord
}

function storedPauseEnd({ paused }: Pick<LedgerHead, 'paused'>): number | null {
  return paused === null ? null : (paused.until ?? forEver)
}

type Rows = ReturnType<typeof rowsOf>

/**
 * Returns the parts of an SQL statement that reads the items as rows named `w`:
 * - `names`: the names of the columns;
 * - `rows`: the SQL of the rows;
 * - `sets`: SQL that assigns all columns except the first;
 * - `values`: the values of the parameters in `rows`.
 */
function rowsOf<Item>(columns: readonly Column<Item>[], items: readonly Item[]) {
  const names = columns.map(([name]) => name).join(', ')
  const arrays = columns.map(([, type], index) => `$${index + 1}::text::${type}[]`)
  const sets = columns.slice(1).map(([name]) => `${name} = w.${name}`)
  return {
    names,
    rows: `unnest(${arrays.join(', ')}) w (${names})`,
    sets: sets.join(', '),
    values: columns.map(([, type, read]) => arrayOf(type, items.map(read))),
  }
}
