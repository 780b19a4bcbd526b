import type { OccurrenceRecord } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { Names } from './names.ts'
import type { OccurrenceKey } from './occurrence-key.ts'
import { occurrenceColumns, type OccurrenceRow, printCancelRequest, printDetails } from './occurrence-row.ts'
import { kindCode } from './record-codes.ts'
import { printRuns } from './runs-text.ts'
import { type Lane, lanes } from './schema.ts'

/** The running and the waiting occurrences: two small tables, apart from the history. */
export class LiveTables {
  readonly #names: Names
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database.Database, names: Names) {
    this.#names = names
    this.#statements = prepareStatements(database)
  }

  // ------------------------------------------------------------------------------------------------------- one record

  find(job: number, scheduledAt: number, key: OccurrenceKey): OccurrenceRow | undefined {
    return (this.#statements.findRunning.get(job, scheduledAt, key) ??
      this.#statements.findWaiting.get(job, scheduledAt, key)) as OccurrenceRow | undefined
  }

  findById(key: OccurrenceKey): OccurrenceRow | undefined {
    return (this.#statements.findRunningById.get(key) ?? this.#statements.findWaitingById.get(key)) as
      | OccurrenceRow
      | undefined
  }

  addRunning(job: number, record: OccurrenceRecord, key: OccurrenceKey): void {
    this.#statements.addRunning.run(job, record.scheduledAt, key, ...this.#valuesOf(record))
  }

  addWaiting(job: number, record: OccurrenceRecord, key: OccurrenceKey, lane: Lane): void {
    this.#statements.addWaiting.run(job, lane, record.scheduledAt, key, ...this.#valuesOf(record))
  }

  #valuesOf(record: OccurrenceRecord): readonly unknown[] {
    return [
      kindCode(record.kind, record.recovered),
      record.token,
      record.sequence,
      record.owner === null ? null : this.#names.ownerRow(record.owner),
      record.jobVersion,
      record.dueAt,
      record.createdAt,
      record.startedAt,
      record.executionTimeoutMs,
      record.reason,
      printCancelRequest(record.cancelRequest),
      printDetails(record.details),
      printRuns(record.runs, record.scheduledAt),
    ]
  }

  removeRunning(job: number, scheduledAt: number, key: OccurrenceKey): void {
    this.#statements.removeRunning.run(job, scheduledAt, key)
  }

  removeWaiting(job: number, lane: number, scheduledAt: number, key: OccurrenceKey): void {
    this.#statements.removeWaiting.run(job, lane, scheduledAt, key)
  }

  // -------------------------------------------------------------------------------------------------------- of one job

  hasRunning(job: number): boolean {
    return this.#statements.hasRunning.get(job) !== undefined
  }

  hasPending(job: number): boolean {
    return this.#statements.hasPending.get(job) !== undefined
  }

  /** How many of the job are queued; counts no further than `limit`. */
  countQueued(job: number, limit: number): number {
    return this.#statements.countQueued.get(job, limit) as number
  }

  /** The job's queued occurrence that comes first. */
  nextQueued(job: number): OccurrenceRow | undefined {
    return this.#statements.nextQueued.get(job) as OccurrenceRow | undefined
  }

  /** In the order of their time. */
  queuedOf(job: number): readonly OccurrenceRow[] {
    return this.#statements.queuedOf.all(job) as OccurrenceRow[]
  }

  /** In the order of their time. */
  runningOf(job: number): readonly OccurrenceRow[] {
    return this.#statements.runningOf.all(job) as OccurrenceRow[]
  }

  /** Pending and queued ones, in the order of their time. */
  waitingOf(job: number): readonly OccurrenceRow[] {
    return this.#statements.waitingOf.all(job) as OccurrenceRow[]
  }

  has(job: number): boolean {
    return this.hasRunning(job) || this.#statements.hasWaiting.get(job) !== undefined
  }

  versionsOf(job: number): readonly number[] {
    return this.#statements.versionsOf.all(job, job) as number[]
  }

  /** Moves the pending ones of a job that was paused out of what claims look at. */
  park(job: number): void {
    this.#statements.park.run(job)
  }

  unpark(job: number, now: number): void {
    this.#statements.unpark.run(now, job)
  }

  // ------------------------------------------------------------------------------------------------------- of all jobs

  /** Whether anything is queued at all. */
  hasQueued(): boolean {
    return this.#statements.hasQueued.get() !== undefined
  }

  /** Jobs with queued occurrences and no active one. */
  strandedJobs(): readonly number[] {
    return this.#statements.strandedJobs.all() as number[]
  }

  hasDelayedDue(now: number): boolean {
    return this.#statements.hasDelayedDue.get(now) !== undefined
  }

  /** Moves what has become due to what claims look at. */
  promote(now: number): void {
    this.#statements.promote.run(now)
  }

  /** Pending ones that are due and whose job is not paused, by their time, leaving out these handlers. */
  ready(now: number, exceptHandlers: readonly number[], limit: number): readonly OccurrenceRow[] {
    const found =
      exceptHandlers.length === 0
        ? this.#statements.ready.all(now, limit)
        : this.#statements.readyExcept.all(JSON.stringify(exceptHandlers), now, limit)
    return found as OccurrenceRow[]
  }

  /** When the next pending one of a job that is not paused becomes due after `now`, leaving out these handlers. */
  nextDueAt(now: number, exceptHandlers: readonly number[]): number | null {
    const except = JSON.stringify(exceptHandlers)
    const next = [lanes.delayed, lanes.ready].map(
      (lane) => (this.#statements.nextDue.get(lane, now, except) as number | undefined) ?? Number.POSITIVE_INFINITY,
    )
    const least = Math.min(...next)
    return Number.isFinite(least) ? least : null
  }

  /** Running ones of this owner that were asked to cancel. */
  cancelRequestedOf(owner: number): readonly OccurrenceRow[] {
    return this.#statements.cancelRequestedOf.all(owner) as OccurrenceRow[]
  }
}

const freeOfHandlers = 'h.handler NOT IN (SELECT value FROM json_each(?))'

function prepareStatements(database: Database.Database) {
  const { running, waiting } = occurrenceColumns
  const { ready, delayed, parked, queued } = lanes
  const anyLane = `lane IN (${ready}, ${delayed}, ${parked}, ${queued})`
  const placeholders = Array(13).fill('?').join(', ')
  return {
    findRunning: database.prepare(`SELECT ${running} FROM running WHERE job = ? AND scheduled_at = ? AND id = ?`).raw(),
    findWaiting: database
      .prepare(`SELECT ${waiting} FROM waiting WHERE job = ? AND ${anyLane} AND scheduled_at = ? AND id = ?`)
      .raw(),
    findRunningById: database.prepare(`SELECT ${running} FROM running WHERE id = ?`).raw(),
    findWaitingById: database.prepare(`SELECT ${waiting} FROM waiting WHERE id = ?`).raw(),
    addRunning: database.prepare(`INSERT INTO running VALUES (?, ?, ?, ${placeholders})`),
    addWaiting: database.prepare(`INSERT INTO waiting VALUES (?, ?, ?, ?, ${placeholders})`),
    removeRunning: database.prepare('DELETE FROM running WHERE job = ? AND scheduled_at = ? AND id = ?'),
    removeWaiting: database.prepare('DELETE FROM waiting WHERE job = ? AND lane = ? AND scheduled_at = ? AND id = ?'),
    hasRunning: database.prepare('SELECT 1 FROM running WHERE job = ? LIMIT 1').pluck(),
    hasPending: database.prepare(`SELECT 1 FROM waiting WHERE job = ? AND lane < ${queued} LIMIT 1`).pluck(),
    hasWaiting: database.prepare('SELECT 1 FROM waiting WHERE job = ? LIMIT 1').pluck(),
    countQueued: database
      .prepare(`SELECT count(*) FROM (SELECT 1 FROM waiting WHERE job = ? AND lane = ${queued} LIMIT ?)`)
      .pluck(),
    nextQueued: database
      .prepare(`SELECT ${waiting} FROM waiting WHERE job = ? AND lane = ${queued} ORDER BY scheduled_at, id LIMIT 1`)
      .raw(),
    queuedOf: database
      .prepare(`SELECT ${waiting} FROM waiting WHERE job = ? AND lane = ${queued} ORDER BY scheduled_at, id`)
      .raw(),
    runningOf: database.prepare(`SELECT ${running} FROM running WHERE job = ? ORDER BY scheduled_at, id`).raw(),
    waitingOf: database.prepare(`SELECT ${waiting} FROM waiting WHERE job = ? ORDER BY scheduled_at, id`).raw(),
    versionsOf: database
      .prepare('SELECT job_version FROM running WHERE job = ? UNION SELECT job_version FROM waiting WHERE job = ?')
      .pluck(),
    park: database.prepare(`UPDATE waiting SET lane = ${parked} WHERE job = ? AND lane < ${parked}`),
    unpark: database.prepare(
      `UPDATE waiting SET lane = CASE WHEN due_at <= ? THEN ${ready} ELSE ${delayed} END
         WHERE job = ? AND lane = ${parked}`,
    ),
    hasQueued: database.prepare(`SELECT 1 FROM waiting WHERE lane = ${queued} LIMIT 1`).pluck(),
    strandedJobs: database
      .prepare(
        `SELECT DISTINCT job FROM waiting AS w WHERE lane = ${queued}
           AND NOT EXISTS (SELECT 1 FROM running WHERE job = w.job)
           AND NOT EXISTS (SELECT 1 FROM waiting WHERE job = w.job AND lane < ${queued})`,
      )
      .pluck(),
    hasDelayedDue: database.prepare(`SELECT 1 FROM waiting WHERE lane = ${delayed} AND due_at <= ? LIMIT 1`).pluck(),
    promote: database.prepare(`UPDATE waiting SET lane = ${ready} WHERE lane = ${delayed} AND due_at <= ?`),
    ready: database
      .prepare(
        `SELECT ${waiting} FROM waiting INDEXED BY waiting_ready WHERE lane = ${ready} AND due_at <= ?
           ORDER BY scheduled_at, id LIMIT ?`,
      )
      .raw(),
    readyExcept: database
      .prepare(
        `SELECT ${waiting} FROM waiting INDEXED BY waiting_ready
           WHERE lane = ${ready}
             AND (SELECT handler FROM heads WHERE row = job) NOT IN (SELECT value FROM json_each(?)) AND due_at <= ?
           ORDER BY scheduled_at, id LIMIT ?`,
      )
      .raw(),
    nextDue: database
      .prepare(
        `SELECT w.due_at FROM waiting w INDEXED BY waiting_lane CROSS JOIN heads h ON h.row = w.job
           WHERE w.lane = ? AND w.due_at > ? AND ${freeOfHandlers} ORDER BY w.due_at LIMIT 1`,
      )
      .pluck(),
    cancelRequestedOf: database
      .prepare(`SELECT ${running} FROM running WHERE owner = ? AND cancel IS NOT NULL ORDER BY scheduled_at, id`)
      .raw(),
  }
}
