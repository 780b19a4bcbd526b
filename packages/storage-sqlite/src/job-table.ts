import type { JobId } from '@jobistemer/core'
import {
  codec1,
  definitionOfStored,
  type DueJobs,
  type JobQuery,
  type JobRecord,
  jobRecordOf,
  type JobVersionRecord,
  type LedgerHead,
  lineageOfStored,
  type JobCounts,
  numbersOfStored,
  overlapRuleOf,
  parseStored,
  type PauseEnd,
  pauseOfStored,
  readStartNumbers,
  startNumbersOf,
  timelineOfStored,
} from '@jobistemer/core/storage'
import type { Names } from './names.ts'
import type { NamedTables } from './schema.ts'

const { policyCodes, policyOf, readJobId } = codec1

export type WaitingCounts = Pick<JobCounts, 'pending' | 'delayed' | 'queued'>

/**
 * The data of a job that its steps read to decide on its occurrences. Heads and definitions have separate tables, so that the
 * rows of heads are small.
 */
export interface Head extends LedgerHead {
  readonly row: number
  /**
   * Numbers of waiting occurrences. The number of running occurrences is not stored. Steps count the rows of the table
   * of running occurrences. This table is small: the number of its rows is at most the number of permits of all nodes.
   */
  readonly waiting: WaitingCounts
  /**
   * Slots with a record exist only up to this instant or the watermark, whichever is later. `null`: slots with a record
   * exist only up to the watermark.
   */
  readonly excludedUntil: number | null
  /**
   * The latest scheduled time that a trigger or replay with a record can have. `null` before the first trigger or
   * replay.
   */
  readonly requestedUntil: number | null
}

/** The bits of the column `heads.flags`. */
const headFlags = { deleted: 1, hasStartRate: 2 } as const

/** Value of `heads.paused_until` for a pause without an end. */
const forEver = 9e15
const isEndless: PauseEnd = Object.freeze({})

type HeadRow = readonly [
  row: number,
  flags: number,
  pausedUntil: number | null,
  policy: number,
  maxQueued: number,
  maxConcurrency: number,
  handler: number,
  version: number,
  watermark: number,
  nextAt: number | null,
  pruneFloor: number | null,
  excludedUntil: number | null,
  requestedUntil: number | null,
  cancelsBelow: number | null,
  pending: number,
  delayed: number,
  queued: number,
  starts: string | null,
]

/** The column values of a job that are not part of its head, in the order of `besideColumns`. */
type BesideRow = readonly [
  key: Buffer,
  name: string,
  owner: string | null,
  fingerprint: string,
  lineage: string,
  timeline: string,
  paused: string | null,
  createdAt: number,
  changedAt: number,
  deletedAt: number | null,
  definition: string,
]

/** A job's row is an array, because reading thousands of rows as objects would take twice as long. */
type JobRow = readonly [...HeadRow, ...BesideRow]

/** A position in the list of jobs by their next instants. */
export interface DuePlace {
  readonly at: number
  /** `null` means the position after all jobs with this instant. */
  readonly id: JobId | null
}

/**
 * Maximum number of jobs whose row numbers this process caches. If the cache exceeds this number, the process clears
 * the cache.
 */
const rememberedJobs = 200_000

/** The tables of jobs: definitions, versions and heads. */
export class JobTable {
  readonly #names: Names
  readonly #rows: Map<JobId, number> = new Map()
  readonly #ids: Map<number, JobId> = new Map()
  readonly #statements: ReturnType<typeof prepareStatements>
  /** Number of jobs that the current step has added. */
  added = 0

  constructor(database: NamedTables, names: Names) {
    this.#names = names
    this.#statements = prepareStatements(database)
  }

  /** Clears the caches after a rollback, which may have removed the cached rows. */
  forget(): void {
    this.#rows.clear()
    this.#ids.clear()
  }

  /**
   * Returns the row number of a job, which may come from a cache. If another process has removed the job, the number
   * leads to no row; the caller must then call {@link headOf}.
   */
  rowOf(id: JobId): number | undefined {
    return this.#rows.get(id) ?? this.#lookUp(id)
  }

  #lookUp(id: JobId): number | undefined {
    const row = this.#statements.findRow.get(keyOfJob(id)) as number | undefined
    if (row === undefined) this.#rows.delete(id)
    else {
      if (this.#rows.size >= rememberedJobs) this.#rows.clear()
      this.#rows.set(id, row)
    }
    return row
  }

  jobIdOf(row: number): JobId {
    const known = this.#ids.get(row)
    if (known !== undefined) return known
    const id = readJobId(this.#statements.findKey.get(row) as Buffer, 0)
    if (this.#ids.size >= rememberedJobs) this.#ids.clear()
    this.#ids.set(row, id)
    return id
  }

  /** Returns the head of a job, also of a tombstone; `undefined` if the job is not stored. */
  headOf(id: JobId): Head | undefined {
    const row = this.rowOf(id)
    if (row === undefined) return undefined
    const head = this.headAt(row, id)
    if (head !== undefined) return head
    // Row numbers are never used again. So the cached number of a removed job leads to no row, and never to another
    // job.
    const present = this.#lookUp(id)
    return present === undefined ? undefined : this.headAt(present, id)
  }

  headAt(row: number, id: JobId = this.jobIdOf(row)): Head | undefined {
    const found = this.#statements.readHead.get(row) as HeadRow | undefined
    return found === undefined ? undefined : this.#toHead(found, id)
  }

  #toHead(found: HeadRow | JobRow, id: JobId): Head {
    const [row, flags, until, policy, maxQueued, maxConcurrency, handler, version, watermark, nextAt, pruneFloor] =
      found
    const [, , , , , , , , , , , excludedUntil, requestedUntil, cancelsBelow, pending, delayed, queued, numbers] = found
    const { startRate, ...starts } = readStartNumbers(numbers === null ? null : numbersOfStored(parseStored(numbers)))
    return {
      row,
      id,
      paused: until === null ? null : until === forEver ? isEndless : { until },
      deletedAt: (flags & headFlags.deleted) === 0 ? null : 0,
      overlap: overlapRuleOf(policyOf(policy), maxQueued, maxConcurrency, startRate),
      handlerKey: this.#names.handlerOf(handler),
      version,
      watermark,
      nextAt,
      pruneFloor,
      excludedUntil,
      requestedUntil,
      cancelsBelow,
      ...starts,
      waiting: { pending, delayed, queued },
    }
  }

  /** Whether any job has queued occurrences. */
  anyQueued(): boolean {
    return this.#statements.anyQueued.get() !== undefined
  }

  addToWaiting(row: number, { pending, delayed, queued }: WaitingCounts): void {
    this.#statements.addToWaiting.run(pending, delayed, queued, row)
  }

  /**
   * Returns jobs that have queued occurrences, in two cases:
   *
   * - The job has no active occurrence.
   * - Superseded occurrences of the job must be canceled.
   */
  stranded(): readonly JobId[] {
    return (this.#statements.stranded.all() as number[]).map((row) => this.jobIdOf(row))
  }

  /** Stores the columns of a head that steps on occurrences can change, such as the watermark and the next instant. */
  writeCourse(head: Head): void {
    const { watermark, nextAt, excludedUntil, requestedUntil, cancelsBelow, row } = head
    this.#statements.writeCourse.run(
      watermark,
      nextAt,
      nextAt,
      excludedUntil,
      requestedUntil,
      cancelsBelow,
      printStarts(head),
      row,
    )
  }

  raisePruneFloor(row: number, floor: number): void {
    this.#statements.raisePruneFloor.run(floor, row)
  }

  /** Returns a stored job, also a tombstone; `undefined` if the job is not stored. */
  find(id: JobId): JobRecord | undefined {
    const found = this.#statements.readJob.get(keyOfJob(id)) as JobRow | undefined
    return found === undefined ? undefined : this.#toRecord(found)
  }

  /**
   * Lists jobs in the order of their ids. If few jobs match, sorts the matches; otherwise reads all jobs in order until the
   * page is full.
   */
  list({ limit, changedSince, owner, deleted = false }: JobQuery, after: JobId | null): readonly JobRecord[] {
    const { few, walk, lastRow } = this.#statements
    const worthSorting = Math.ceil(Math.sqrt(limit * ((lastRow.get() as number | null) ?? 0)))
    const values = {
      after: after === null ? beforeKeys : keyOfJob(after),
      since: changedSince ?? -9e15,
      owner: owner ?? null,
      deleted: deleted ? 1 : 0,
      limit,
      most: worthSorting + 1,
    }
    const wanted = changedSince !== undefined ? few.changed : owner === undefined ? few.live : few.ofOwner
    const isIndexed = wanted === few.changed || !deleted
    const isFew = isIndexed && (wanted.count.get(values) as number) <= worthSorting
    return ((isFew ? wanted.list : walk).all(values) as JobRow[]).map((row) => this.#toRecord(row))
  }

  /**
   * Lists jobs whose next instant is in the range, sorted by next instant and id. The caller must first apply all notes of
   * `DueIndex` to the index.
   */
  listDue({ upTo, shards }: DueJobs, { at, id }: DuePlace, limit: number): readonly JobRecord[] {
    const wanted = shards === undefined ? null : Buffer.from(shards)
    const values = [at, id === null ? lastKey : keyOfJob(id), upTo, wanted, wanted, limit]
    const rows = this.#statements.listDue.all(...values) as JobRow[]
    return rows.map((row) => this.#toRecord(row))
  }

  #toRecord(row: JobRow): JobRecord {
    const [key, name, owner, fingerprint, lineage, timeline, paused, createdAt, changedAt, deletedAt, definition] =
      row.slice(headWidth) as unknown as BesideRow
    const head = this.#toHead(row, readJobId(key, 0))
    return jobRecordOf(deletedAt === null ? head : { ...head, deletedAt }, {
      name,
      owner,
      fingerprint,
      lineage: lineageOfStored(parseStored(lineage)),
      definition: definitionOfStored(parseStored(definition)),
      timeline: timelineOfStored(parseStored(timeline)),
      paused: paused === null ? null : pauseOfStored(parseStored(paused)),
      createdAt,
      changedAt,
    })
  }

  readVersion(id: JobId, version: number): JobVersionRecord | undefined {
    const found = this.#statements.readVersion.get(keyOfJob(id), version) as
      | { readonly fingerprint: string; readonly definition: string; readonly created_at: number }
      | undefined
    if (found === undefined) return undefined
    const definition = definitionOfStored(parseStored(found.definition))
    return { jobId: id, version, fingerprint: found.fingerprint, definition, createdAt: found.created_at }
  }

  /** Stores a job that is not stored yet. */
  insert(job: JobRecord, version: JobVersionRecord): void {
    const key = keyOfJob(job.id)
    const row = Number(this.#statements.insertJob.run(key, ...valuesOfJob(job)).lastInsertRowid)
    this.#statements.insertHead.run(row, key, ...this.#valuesOfHead(job))
    this.#insertVersion(row, version)
    // Does not add the new job to the cache of row numbers. If many jobs are added, most of them are not read soon.
    this.added++
  }

  /** Replaces a stored job. Adds `version` as a new version unless it is `null`. */
  update(row: number, job: JobRecord, version: JobVersionRecord | null): void {
    this.#statements.updateJob.run(...valuesOfJob(job), row)
    this.#statements.updateHead.run(...this.#valuesOfHead(job), row)
    if (version !== null) this.#insertVersion(row, version)
  }

  #valuesOfHead(job: JobRecord): readonly unknown[] {
    const { overlap, paused, nextAt } = job
    return [
      flagsOf(job),
      paused === null ? null : (paused.until ?? forEver),
      policyCodes[overlap.policy],
      overlap.maxQueued,
      overlap.maxConcurrency ?? 1,
      this.#names.handlerRow(job.handlerKey),
      job.version,
      job.watermark,
      nextAt,
      nextAt,
      job.pruneFloor,
      job.cancelsBelow,
      printStarts(job),
    ]
  }

  #insertVersion(row: number, { version, fingerprint, definition, createdAt }: JobVersionRecord): void {
    this.#statements.insertVersion.run(row, version, fingerprint, JSON.stringify(definition), createdAt)
  }

  /** Whether the job is a tombstone that is older than `before`. */
  isTombstone(row: number, before: number): boolean {
    return this.#statements.isTombstone.get(row, before) !== undefined
  }

  remove(row: number): void {
    this.#statements.deleteVersions.run(row)
    this.#statements.deleteHead.run(row)
    this.#statements.deleteJob.run(row)
  }

  /**
   * Removes replaced versions that no occurrence uses. The caller must call `indexTail` of {@link History} before, because this
   * method finds the uses of versions only in indexed rows of the history.
   */
  removeUnusedVersions(row: number): void {
    this.#statements.deleteUnusedVersions.run({ job: row })
  }
}

/** Returns the 16 bytes of a job's UUID, which sort like the id. */
function keyOfJob(id: JobId): Buffer {
  return Buffer.from(id.slice('job_'.length).replaceAll('-', ''), 'hex')
}

/** A value that sorts before all keys of jobs. */
const beforeKeys = Buffer.alloc(0)

/** A value that sorts after all keys of jobs. */
const lastKey = Buffer.alloc(16, 0xff)

function flagsOf({ deletedAt, overlap }: JobRecord): number {
  return (deletedAt === null ? 0 : headFlags.deleted) | (overlap.startRate === undefined ? 0 : headFlags.hasStartRate)
}

function printStarts(head: Pick<JobRecord, 'overlap' | 'starts'>): string | null {
  const numbers = startNumbersOf(head)
  return numbers === null ? null : JSON.stringify(numbers)
}

/** The column values of a job in the order of `jobValues`. */
function valuesOfJob(job: JobRecord): readonly unknown[] {
  const { name, owner, fingerprint, lineage, timeline, paused, createdAt, changedAt, deletedAt } = job
  const printed = [JSON.stringify(lineage), JSON.stringify(timeline), paused === null ? null : JSON.stringify(paused)]
  return [name, owner, fingerprint, ...printed, createdAt, changedAt, deletedAt]
}

const headColumns = `h.row, h.flags, h.paused_until, h.policy, h.max_queued, h.max_concurrency, h.handler, h.version, h.watermark,
  h.next_at, h.prune_floor, h.excluded_until, h.requested_until, h.cancels_below, h.pending, h.delayed, h.queued, h.starts`
const headWidth = headColumns.split(',').length
const besideColumns = `h.key, j.name, j.owner, j.fingerprint, j.lineage, j.timeline, j.paused, j.created_at, j.changed_at,
  j.deleted_at, v.definition`
const jobColumns = `${headColumns}, ${besideColumns}`

const jobJoins = `CROSS JOIN {heads} h ON h.row = j.row CROSS JOIN {versions} v ON v.job = j.row AND v.version = h.version`
const jobFilter = `j.key > $after AND +j.changed_at >= $since AND ($owner IS NULL OR j.owner = $owner)
  AND ($deleted OR j.deleted_at IS NULL) ORDER BY j.key LIMIT $limit`
const jobValues = 'name, owner, fingerprint, lineage, timeline, paused, created_at, changed_at, deleted_at'
const headValues = `flags, paused_until, policy, max_queued, max_concurrency, handler, version, watermark, next_at, due_at,
  prune_floor, cancels_below, starts`

const ofHistory =
  'SELECT t.job_version FROM {history_blocks} b CROSS JOIN {history_times} t ON t.block = b.block AND t.job = $job'

function prepareStatements(database: NamedTables) {
  const placeholders = (columns: string) => columns.replaceAll(/\w+/g, '?')
  /**
   * Prepares two statements for the jobs that an index finds. `count` counts these jobs up to `$most`. `list` returns a
   * page of these jobs in order, and reads all columns only for the jobs of this page.
   */
  const few = (index: string, condition: string) => {
    const found = `FROM {jobs} j INDEXED BY {${index}} WHERE ${condition}`
    return {
      count: database.pluck(`SELECT count(*) FROM (SELECT 1 ${found} LIMIT $most)`),
      list: database.raw(
        `WITH page AS MATERIALIZED (SELECT j.row ${found} AND ${jobFilter})
           SELECT ${jobColumns} FROM page p CROSS JOIN {jobs} j ON j.row = p.row ${jobJoins} ORDER BY j.key`,
      ),
    }
  }
  return {
    findRow: database.pluck('SELECT row FROM {jobs} WHERE key = ?'),
    findKey: database.pluck('SELECT key FROM {jobs} WHERE row = ?'),
    readHead: database.raw(`SELECT ${headColumns} FROM {heads} h WHERE h.row = ?`),
    writeCourse: database.prepare(
      `UPDATE {heads} SET watermark = ?, next_at = ?, due_at = ?, excluded_until = ?, requested_until = ?,
         cancels_below = ?, starts = ? WHERE row = ?`,
    ),
    anyQueued: database.pluck('SELECT 1 FROM {heads} INDEXED BY {heads_queued} WHERE queued > 0 LIMIT 1'),
    addToWaiting: database.prepare(
      'UPDATE {heads} SET pending = pending + ?, delayed = delayed + ?, queued = queued + ? WHERE row = ?',
    ),
    stranded: database.pluck(
      `SELECT row FROM {heads} INDEXED BY {heads_queued} WHERE queued > 0 AND (cancels_below IS NOT NULL
           OR (pending = delayed AND NOT EXISTS (SELECT 1 FROM {running} WHERE job = {heads}.row)))`,
    ),
    raisePruneFloor: database.prepare(
      'UPDATE {heads} SET prune_floor = max(coalesce(prune_floor, -9e15), ?) WHERE row = ?',
    ),
    readJob: database.raw(`SELECT ${jobColumns} FROM {jobs} j ${jobJoins} WHERE j.key = ?`),
    // The plus before `changed_at` in `jobFilter` keeps SQLite from using the index of changes for this statement.
    walk: database.raw(`SELECT ${jobColumns} FROM {jobs} j ${jobJoins} WHERE ${jobFilter}`),
    few: {
      changed: few('jobs_changed', 'j.changed_at >= $since'),
      live: few('jobs_live', 'j.deleted_at IS NULL'),
      ofOwner: few('jobs_live', 'j.owner = $owner AND j.deleted_at IS NULL'),
    },
    lastRow: database.pluck('SELECT max(row) FROM {jobs}'),
    // The index contains the key, and the key says to which shard a job belongs. So SQLite reads no rows of jobs in
    // other shards.
    listDue: database.raw(
      `SELECT ${jobColumns} FROM {heads} h INDEXED BY {heads_due} CROSS JOIN {jobs} j ON j.row = h.row
         CROSS JOIN {versions} v ON v.job = h.row AND v.version = h.version
         WHERE h.due_at IS NOT NULL AND (h.due_at, h.key) > (?, ?) AND h.due_at <= ?
           AND (? IS NULL OR instr(?, substr(h.key, 1, 1)) > 0)
         ORDER BY h.due_at, h.key LIMIT ?`,
    ),
    readVersion: database.prepare(
      `SELECT v.fingerprint, v.definition, v.created_at FROM {jobs} j JOIN {versions} v ON v.job = j.row
         WHERE j.key = ? AND v.version = ?`,
    ),
    insertJob: database.prepare(`INSERT INTO {jobs} (key, ${jobValues}) VALUES (?, ${placeholders(jobValues)})`),
    insertHead: database.prepare(
      `INSERT INTO {heads} (row, key, ${headValues}) VALUES (?, ?, ${placeholders(headValues)})`,
    ),
    insertVersion: database.prepare('INSERT INTO {versions} VALUES (?, ?, ?, ?, ?)'),
    updateJob: database.prepare(`UPDATE {jobs} SET (${jobValues}) = (${placeholders(jobValues)}) WHERE row = ?`),
    updateHead: database.prepare(`UPDATE {heads} SET (${headValues}) = (${placeholders(headValues)}) WHERE row = ?`),
    isTombstone: database.pluck('SELECT 1 FROM {jobs} WHERE row = ? AND deleted_at < ?'),
    deleteJob: database.prepare('DELETE FROM {jobs} WHERE row = ?'),
    deleteHead: database.prepare('DELETE FROM {heads} WHERE row = ?'),
    deleteVersions: database.prepare('DELETE FROM {versions} WHERE job = ?'),
    // If the history uses the oldest version, the statement deletes no version, and reads no further history entries.
    // This is the usual case, and one of the oldest history entries shows it.
    deleteUnusedVersions: database.prepare(
      `DELETE FROM {versions} WHERE job = $job AND version < (SELECT version FROM {heads} WHERE row = $job)
         AND NOT EXISTS (${ofHistory} AND t.job_version = (SELECT min(version) FROM {versions} WHERE job = $job))
         AND version NOT IN (
           SELECT job_version FROM {running} WHERE job = $job UNION SELECT job_version FROM {waiting} WHERE job = $job
           UNION ${ofHistory})`,
    ),
  }
}
