import type { JobId } from '@jobistemer/core'
import {
  codec1,
  definitionOfStored,
  type JobRecord,
  type JobVersionRecord,
  type LedgerHead,
  lineageOfStored,
  type JobCounts,
  type LiveCounts,
  numbersOfStored,
  overlapRuleOf,
  parseStored,
  type PauseEnd,
  type PauseRecord,
  pauseOfStored,
  readStartNumbers,
  startNumbersOf,
  timelineOfStored,
} from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { Names } from './names.ts'
import type { NamedTables } from './table-names.ts'

const { policyCodes, policyOf } = codec1

export type WaitingCounts = Pick<JobCounts, 'pending' | 'delayed' | 'queued'>

/** What the atomic steps on a job look at: narrow, and apart from its definition, which they never touch. */
export interface Head extends LedgerHead {
  readonly row: number
  /** How many of its occurrences wait. How many run is counted where they are: never more than nodes run at once. */
  readonly waiting: WaitingCounts
  /** No slot after the watermark and after this has a record. */
  readonly excludedUntil: number | null
  /** No trigger or replay for an instant after this has a record. */
  readonly requestedUntil: number | null
}

/** Bits of `heads.flags`. */
const headFlags = { deleted: 1, hasStartRate: 2 } as const

/** In `heads.paused_until`: until it is resumed. */
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

/** A stored job with its row. */
export interface StoredJob {
  readonly row: number
  readonly job: JobRecord
}

/** In the order of `jobColumns`: thousands are read at once, and objects would take twice as long. */
type JobRow = readonly [
  row: number,
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
  policy: number,
  maxQueued: number,
  maxConcurrency: number,
  handler: number,
  version: number,
  watermark: number,
  nextAt: number | null,
  pruneFloor: number | null,
  cancelsBelow: number | null,
  starts: string | null,
  definition: string,
]

/** A place in the order in which jobs were deleted. */
export interface TombstonePlace {
  readonly deletedAt: number
  readonly row: number
}

/** A place in the order of next instants. */
export interface DuePlace {
  readonly at: number
  /** `null`: after all jobs of this instant. */
  readonly id: JobId | null
}

/** Most job ids whose rows this process remembers. Then it forgets all of them. */
const rememberedJobs = 200_000

/** Jobs: definitions, versions and heads. */
export class JobTable {
  readonly #names: Names
  readonly #rows: Map<JobId, number> = new Map()
  readonly #ids: Map<number, JobId> = new Map()
  readonly #statements: ReturnType<typeof prepareStatements>
  /** How many jobs the step under way has added. */
  added = 0

  constructor(database: NamedTables, names: Names) {
    this.#names = names
    this.#statements = prepareStatements(database)
  }

  /** After a rollback, which may have taken new rows back. */
  forget(): void {
    this.#rows.clear()
    this.#ids.clear()
  }

  /**
   * The row of a job. Another process may have removed it meanwhile: a caller that finds no record under it has to call
   * {@link headOf}.
   */
  rowOf(id: JobId): number | undefined {
    const known = this.#rows.get(id)
    return known === undefined ? this.#lookUp(id) : known
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
    const id = jobOfKey(this.#statements.findKey.get(row) as Buffer)
    if (this.#ids.size >= rememberedJobs) this.#ids.clear()
    this.#ids.set(row, id)
    return id
  }

  /** The head of a job, tombstones included. */
  headOf(id: JobId): Head | undefined {
    const row = this.rowOf(id)
    if (row === undefined) return undefined
    const head = this.#headAt(row, id)
    if (head !== undefined) return head
    // Rows are never used again, so that a remembered one of a removed job finds nothing rather than another job.
    const present = this.#lookUp(id)
    return present === undefined ? undefined : this.#headAt(present, id)
  }

  headAt(row: number): Head | undefined {
    return this.#headAt(row, this.jobIdOf(row))
  }

  #headAt(row: number, id: JobId): Head | undefined {
    const found = this.#statements.readHead.get(row) as HeadRow | undefined
    if (found === undefined) return undefined
    const [, flags, until, policy, maxQueued, maxConcurrency, handler, version, watermark, ...rest] = found
    const [nextAt, pruneFloor, excludedUntil, requestedUntil, cancelsBelow, pending, delayed, queued, numbers] = rest
    const { startRate, ...starts } = readStarts(numbers)
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

  /** How many occurrences of all jobs live. */
  totals(): LiveCounts {
    return this.#statements.totals.get() as LiveCounts
  }

  addToTotals({ pending, queued, running }: LiveCounts): void {
    this.#statements.addToTotals.run(pending, queued, running)
  }

  addToWaiting(row: number, { pending, delayed, queued }: WaitingCounts): void {
    this.#statements.addToWaiting.run(pending, delayed, queued, row)
  }

  /** Jobs with queued occurrences, and with no active one or some that are to be canceled. */
  stranded(): readonly JobId[] {
    return (this.#statements.stranded.all() as number[]).map((row) => this.jobIdOf(row))
  }

  /** Moves the job past its slots up to `watermark`. */
  advance(row: number, watermark: number, nextAt: number | null): void {
    this.#statements.advance.run(watermark, nextAt, nextAt, row)
  }

  /** There may be records of slots up to here, although the watermark lies before. */
  noteAhead(row: number, scheduledAt: number): void {
    this.#statements.noteAhead.run(scheduledAt, row)
  }

  noteRequest(row: number, scheduledAt: number): void {
    this.#statements.noteRequest.run(scheduledAt, row)
  }

  endCancel(row: number): void {
    this.#statements.endCancel.run(row)
  }

  noteStarts(head: Head): void {
    this.#statements.noteStarts.run(printStarts(head), head.row)
  }

  raisePruneFloor(row: number, floor: number): void {
    this.#statements.raisePruneFloor.run(floor, row)
  }

  /** A job, tombstones included. */
  find(id: JobId): StoredJob | undefined {
    const found = this.#statements.readJob.get(keyOfJob(id)) as JobRow | undefined
    return found === undefined ? undefined : { row: found[0], job: this.#toRecord(found) }
  }

  /** Jobs in the order of their ids. */
  list(query: {
    readonly after: JobId | null
    readonly limit: number
    readonly changedSince: number | undefined
    readonly owner: string | undefined
    readonly deleted: boolean
  }): readonly JobRecord[] {
    const { limit, changedSince, owner = null, deleted } = query
    const after = query.after === null ? beforeKeys : keyOfJob(query.after)
    const rest = [owner, owner, deleted ? 1 : 0, limit]
    if (changedSince !== undefined) {
      const found = this.#changedListing(changedSince, limit).all(after, changedSince, ...rest) as JobRow[]
      return found.map((row) => this.#toRecord(row))
    }
    const rows = this.#areFew(owner, deleted, limit)
      ? this.#statements.listLive[ofWhom(owner)].all({ owner, after, limit })
      : this.#statements.list.all(after, ...rest)
    return (rows as JobRow[]).map((row) => this.#toRecord(row))
  }

  /** Sorts the changed jobs if they are few. If many have changed, a walk over all jobs fills a page sooner. */
  #changedListing(changedSince: number, limit: number): Database.Statement {
    const { countChanged, listChanged, walkChanged } = this.#statements
    const worthSorting = this.#worthSorting(limit)
    const changed = countChanged.get(changedSince, worthSorting + 1) as number
    return changed > worthSorting ? walkChanged : listChanged
  }

  /** Whether few jobs match, so that sorting them beats a walk past jobs of other owners and tombstones. */
  #areFew(owner: string | null, deleted: boolean, limit: number): boolean {
    if (deleted) return false
    const worthSorting = this.#worthSorting(limit)
    const most = worthSorting + 1
    return (this.#statements.countLive[ofWhom(owner)].get({ owner, most }) as number) <= worthSorting
  }

  #worthSorting(limit: number): number {
    return Math.ceil(Math.sqrt(limit * ((this.#statements.lastRow.get() as number | null) ?? 0)))
  }

  /**
   * Jobs whose next instant lies in the range, in the order of their next instants, equal ones by id. Not while the index
   * is behind, see `DueIndex`.
   */
  listDue(query: {
    readonly after: DuePlace
    readonly upTo: number
    readonly shards: readonly number[] | undefined
    readonly limit: number
  }): readonly JobRecord[] {
    const { after, upTo, limit } = query
    const shards = query.shards === undefined ? null : Buffer.from(query.shards)
    const rows = this.#statements.listDue.all(after.at, keyAfter(after.id), upTo, shards, shards, limit) as JobRow[]
    return rows.map((row) => this.#toRecord(row))
  }

  #toRecord(row: JobRow): JobRecord {
    const [, key, name, owner, fingerprint, lineage, timeline, paused, createdAt, changedAt, deletedAt, ...rest] = row
    const [
      policy,
      maxQueued,
      maxConcurrency,
      handler,
      version,
      watermark,
      nextAt,
      pruneFloor,
      cancelsBelow,
      starts,
      definition,
    ] = rest
    const { startRate, ...others } = readStarts(starts)
    return {
      id: jobOfKey(key),
      name,
      owner,
      version,
      fingerprint,
      lineage: lineageOfStored(parseStored(lineage)),
      definition: definitionOfStored(parseStored(definition)),
      handlerKey: this.#names.handlerOf(handler),
      overlap: overlapRuleOf(policyOf(policy), maxQueued, maxConcurrency, startRate),
      timeline: timelineOfStored(parseStored(timeline)),
      watermark,
      nextAt,
      pruneFloor,
      paused: paused === null ? null : pauseOfStored(parseStored(paused)),
      cancelsBelow,
      ...others,
      createdAt,
      changedAt,
      deletedAt,
    }
  }

  readVersion(id: JobId, version: number): JobVersionRecord | undefined {
    const found = this.#statements.readVersion.get(keyOfJob(id), version) as
      | { readonly fingerprint: string; readonly definition: string; readonly created_at: number }
      | undefined
    if (found === undefined) return undefined
    const definition = definitionOfStored(parseStored(found.definition))
    return { jobId: id, version, fingerprint: found.fingerprint, definition, createdAt: found.created_at }
  }

  /** Stores a job that has no row yet. */
  insert(job: JobRecord, version: JobVersionRecord): void {
    const paused = printPause(job.paused)
    const key = keyOfJob(job.id)
    const { lastInsertRowid } = this.#statements.insertJob.run(
      key,
      job.name,
      job.owner,
      job.fingerprint,
      JSON.stringify(job.lineage),
      JSON.stringify(job.timeline),
      paused,
      job.createdAt,
      job.changedAt,
      job.deletedAt,
    )
    const row = Number(lastInsertRowid)
    this.#statements.insertHead.run(
      row,
      flagsOf(job),
      pauseEndOf(job),
      policyCodes[job.overlap.policy],
      job.overlap.maxQueued,
      job.overlap.maxConcurrency ?? 1,
      this.#names.handlerRow(job.handlerKey),
      job.version,
      job.watermark,
      job.nextAt,
      job.pruneFloor,
      job.nextAt,
      key,
      printStarts(job),
    )
    this.#insertVersion(row, version)
    // Of many that are added, few are asked for soon: the row of one is remembered when it is.
    this.added++
  }

  /** Stores the job as it is now over what was stored, with a new version when it has one. */
  update({ row, job: before }: StoredJob, job: JobRecord, version: JobVersionRecord | null): void {
    this.#statements.updateJob.run(
      job.name,
      job.owner,
      job.fingerprint,
      JSON.stringify(job.lineage),
      JSON.stringify(job.timeline),
      printPause(job.paused),
      job.createdAt,
      job.changedAt,
      job.deletedAt,
      row,
    )
    this.#statements.updateHead.run(
      flagsOf(job),
      pauseEndOf(job),
      policyCodes[job.overlap.policy],
      job.overlap.maxQueued,
      job.overlap.maxConcurrency ?? 1,
      this.#names.handlerRow(job.handlerKey),
      job.version,
      job.watermark,
      job.nextAt,
      job.pruneFloor,
      job.nextAt,
      job.cancelsBelow,
      printStarts(job),
      row,
    )
    if (version === null) return
    this.#statements.supersede.run(row, before.version)
    this.#insertVersion(row, version)
  }

  #insertVersion(row: number, { version, fingerprint, definition, createdAt }: JobVersionRecord): void {
    this.#statements.insertVersion.run(row, version, fingerprint, JSON.stringify(definition), createdAt)
  }

  /** Whether the job is a tombstone that was made before `before`. */
  isTombstone(row: number, before: number): boolean {
    return this.#statements.isTombstone.get(row, before) !== undefined
  }

  /** The next tombstones that were made before `before`, in the order in which they were made. */
  tombstonesAfter({ deletedAt, row }: TombstonePlace, before: number, limit: number): readonly TombstonePlace[] {
    return this.#statements.tombstonesAfter.all(before, deletedAt, row, limit) as TombstonePlace[]
  }

  remove(row: number): void {
    this.#statements.deleteVersions.run(row)
    this.#statements.deleteHead.run(row)
    this.#statements.deleteJob.run(row)
  }

  /** The next job, in the order of the rows, that has versions besides the one in force. */
  nextWithOldVersions(after: number): number | undefined {
    return this.#statements.nextWithOldVersions.get(after) as number | undefined
  }

  oldVersions(row: number): readonly number[] {
    return this.#statements.oldVersions.all(row) as number[]
  }

  removeVersion(row: number, version: number): void {
    this.#statements.deleteVersion.run(row, version)
  }
}

/** The 16 bytes of a job's UUID, which sort as its id does. */
function keyOfJob(id: JobId): Buffer {
  return Buffer.from(id.slice('job_'.length).replaceAll('-', ''), 'hex')
}

function jobOfKey(key: Buffer): JobId {
  const hex = key.toString('hex')
  return `job_${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** All keys of jobs come after it. */
const beforeKeys = Buffer.alloc(0)

/** No key of a job comes after it. */
const lastKey = Buffer.alloc(16, 0xff)

function keyAfter(id: JobId | null): Buffer {
  return id === null ? lastKey : keyOfJob(id)
}

function ofWhom(owner: string | null): 'all' | 'owner' {
  return owner === null ? 'all' : 'owner'
}

function flagsOf({ deletedAt, overlap }: JobRecord): number {
  return (deletedAt === null ? 0 : headFlags.deleted) | (overlap.startRate === undefined ? 0 : headFlags.hasStartRate)
}

function printStarts(head: Pick<JobRecord, 'overlap' | 'starts'>): string | null {
  const numbers = startNumbersOf(head)
  return numbers === null ? null : JSON.stringify(numbers)
}

function readStarts(text: string | null): ReturnType<typeof readStartNumbers> {
  return readStartNumbers(text === null ? null : numbersOfStored(parseStored(text)))
}

function pauseEndOf({ paused }: JobRecord): number | null {
  return paused === null ? null : (paused.until ?? forEver)
}

function printPause(paused: PauseRecord | null): string | null {
  return paused === null ? null : JSON.stringify(paused)
}

const jobColumns = `j.row, j.key, j.name, j.owner, j.fingerprint, j.lineage, j.timeline, j.paused, j.created_at, j.changed_at,
  j.deleted_at, h.policy, h.max_queued, h.max_concurrency, h.handler, h.version, h.watermark, h.next_at, h.prune_floor, h.cancels_below,
  h.starts, v.definition`
const jobJoins = `CROSS JOIN {heads} h ON h.row = j.row CROSS JOIN {versions} v ON v.job = j.row AND v.version = h.version`
const jobFilter = `(? IS NULL OR j.owner = ?) AND (? OR j.deleted_at IS NULL) ORDER BY j.key LIMIT ?`

function prepareStatements(database: NamedTables) {
  const countLive = (ofOwner: string) =>
    database
      .prepare(
        `SELECT count(*) FROM (
           SELECT 1 FROM {jobs} INDEXED BY {jobs_live} WHERE ${ofOwner} AND deleted_at IS NULL LIMIT $most)`,
      )
      .pluck()
  const listLive = (ofOwner: string) =>
    database
      .prepare(
        `WITH page AS MATERIALIZED (
           SELECT j.row FROM {jobs} j INDEXED BY {jobs_live} WHERE ${ofOwner} AND j.deleted_at IS NULL AND j.key > $after
             ORDER BY j.key LIMIT $limit)
         SELECT ${jobColumns} FROM page p CROSS JOIN {jobs} j ON j.row = p.row ${jobJoins} ORDER BY j.key`,
      )
      .raw()
  return {
    findRow: database.prepare('SELECT row FROM {jobs} WHERE key = ?').pluck(),
    findKey: database.prepare('SELECT key FROM {jobs} WHERE row = ?').pluck(),
    readHead: database
      .prepare(
        `SELECT row, flags, paused_until, policy, max_queued, max_concurrency, handler, version, watermark, next_at, prune_floor, excluded_until,
           requested_until, cancels_below, pending, delayed, queued, starts FROM {heads} WHERE row = ?`,
      )
      .raw(),
    advance: database.prepare(
      'UPDATE {heads} SET watermark = max(watermark, ?), next_at = ?, due_at = ? WHERE row = ?',
    ),
    noteAhead: database.prepare(
      'UPDATE {heads} SET excluded_until = max(coalesce(excluded_until, -9e15), ?) WHERE row = ?',
    ),
    noteRequest: database.prepare(
      'UPDATE {heads} SET requested_until = max(coalesce(requested_until, -9e15), ?) WHERE row = ?',
    ),
    totals: database.prepare('SELECT pending, queued, running FROM {live_counts}'),
    addToTotals: database.prepare(
      'UPDATE {live_counts} SET pending = pending + ?, queued = queued + ?, running = running + ?',
    ),
    addToWaiting: database.prepare(
      'UPDATE {heads} SET pending = pending + ?, delayed = delayed + ?, queued = queued + ? WHERE row = ?',
    ),
    stranded: database
      .prepare(
        `SELECT row FROM {heads} INDEXED BY {heads_queued} WHERE queued > 0 AND (cancels_below IS NOT NULL
           OR (pending = delayed AND NOT EXISTS (SELECT 1 FROM {running} WHERE job = {heads}.row)))`,
      )
      .pluck(),
    endCancel: database.prepare('UPDATE {heads} SET cancels_below = NULL WHERE row = ?'),
    noteStarts: database.prepare('UPDATE {heads} SET starts = ? WHERE row = ?'),
    raisePruneFloor: database.prepare(
      'UPDATE {heads} SET prune_floor = max(coalesce(prune_floor, -9e15), ?) WHERE row = ?',
    ),
    readJob: database.prepare(`SELECT ${jobColumns} FROM {jobs} j ${jobJoins} WHERE j.key = ?`).raw(),
    list: database.prepare(`SELECT ${jobColumns} FROM {jobs} j ${jobJoins} WHERE j.key > ? AND ${jobFilter}`).raw(),
    countLive: { all: countLive('$owner IS NULL'), owner: countLive('owner = $owner') },
    listLive: { all: listLive('$owner IS NULL'), owner: listLive('j.owner = $owner') },
    lastRow: database.prepare('SELECT max(row) FROM {jobs}').pluck(),
    countChanged: database.prepare('SELECT count(*) FROM (SELECT 1 FROM {jobs} WHERE changed_at >= ? LIMIT ?)').pluck(),
    // Only those of the page are read whole.
    listChanged: database
      .prepare(
        `WITH page AS MATERIALIZED (
           SELECT j.row FROM {jobs} j INDEXED BY {jobs_changed} WHERE j.key > ? AND j.changed_at >= ? AND ${jobFilter})
         SELECT ${jobColumns} FROM page p CROSS JOIN {jobs} j ON j.row = p.row ${jobJoins} ORDER BY j.key`,
      )
      .raw(),
    // The plus keeps the index of changes out of it.
    walkChanged: database
      .prepare(`SELECT ${jobColumns} FROM {jobs} j ${jobJoins} WHERE j.key > ? AND +j.changed_at >= ? AND ${jobFilter}`)
      .raw(),
    // Only what lies in the index is looked at of jobs in other shards.
    listDue: database
      .prepare(
        `SELECT ${jobColumns} FROM {heads} h INDEXED BY {heads_due} CROSS JOIN {jobs} j ON j.row = h.row
         CROSS JOIN {versions} v ON v.job = h.row AND v.version = h.version
         WHERE h.due_at IS NOT NULL AND (h.due_at, h.key) > (?, ?) AND h.due_at <= ?
           AND (? IS NULL OR instr(?, substr(h.key, 1, 1)) > 0)
         ORDER BY h.due_at, h.key LIMIT ?`,
      )
      .raw(),
    readVersion: database.prepare(
      `SELECT v.fingerprint, v.definition, v.created_at FROM {jobs} j JOIN {versions} v ON v.job = j.row
         WHERE j.key = ? AND v.version = ?`,
    ),
    insertJob: database.prepare(
      `INSERT INTO {jobs} (key, name, owner, fingerprint, lineage, timeline, paused, created_at, changed_at, deleted_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertHead: database.prepare(
      'INSERT INTO {heads} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, 0, 0, 0, ?, ?, ?)',
    ),
    insertVersion: database.prepare('INSERT INTO {versions} VALUES (?, ?, ?, ?, ?, 0)'),
    updateJob: database.prepare(
      `UPDATE {jobs} SET name = ?, owner = ?, fingerprint = ?, lineage = ?, timeline = ?, paused = ?, created_at = ?,
         changed_at = ?, deleted_at = ? WHERE row = ?`,
    ),
    updateHead: database.prepare(
      `UPDATE {heads} SET flags = ?, paused_until = ?, policy = ?, max_queued = ?, max_concurrency = ?, handler = ?, version = ?, watermark = ?, next_at = ?,
         prune_floor = ?, due_at = ?, cancels_below = ?, starts = ? WHERE row = ?`,
    ),
    supersede: database.prepare('UPDATE {versions} SET superseded = 1 WHERE job = ? AND version = ?'),
    isTombstone: database.prepare('SELECT 1 FROM {jobs} WHERE row = ? AND deleted_at < ?').pluck(),
    tombstonesAfter: database.prepare(
      `SELECT row, deleted_at AS deletedAt FROM {jobs} INDEXED BY {jobs_deleted}
         WHERE deleted_at IS NOT NULL AND deleted_at < ? AND (deleted_at, row) > (?, ?) ORDER BY deleted_at, row LIMIT ?`,
    ),
    deleteJob: database.prepare('DELETE FROM {jobs} WHERE row = ?'),
    deleteHead: database.prepare('DELETE FROM {heads} WHERE row = ?'),
    deleteVersions: database.prepare('DELETE FROM {versions} WHERE job = ?'),
    deleteVersion: database.prepare('DELETE FROM {versions} WHERE job = ? AND version = ?'),
    nextWithOldVersions: database
      .prepare(
        'SELECT min(job) FROM {versions} INDEXED BY {versions_superseded} WHERE superseded = 1 AND job > ? HAVING min(job) IS NOT NULL',
      )
      .pluck(),
    oldVersions: database.prepare('SELECT version FROM {versions} WHERE job = ? AND superseded = 1').pluck(),
  }
}
