import { codec1, type LiveCounts, type LiveState, type OccurrenceRecord, orderAt } from '@jobistemer/core/storage'
import type { Names } from './names.ts'
import { occurrenceColumns, type OccurrenceKey, type OccurrenceRow, printCancelRequest } from './occurrence-row.ts'
import { type Lane, lanes, type NamedTables } from './schema.ts'

const { kindCode, printDetails, printRuns } = codec1

/** An SQL `LIMIT` of this value does not limit the number of rows. */
const everything = -1

/** The tables of running and of waiting occurrences. They are small, and separate from the history. */
export class LiveTables {
  readonly #names: Names
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: NamedTables, names: Names) {
    this.#names = names
    this.#statements = prepareStatements(database)
  }

  // ------------------------------------------------------------------------------------------------------- one record

  find(job: number, scheduledAt: number, key: OccurrenceKey): OccurrenceRow | undefined {
    return (this.#statements.findRunning.get(job, scheduledAt, key) ?? this.#statements.findWaiting.get(key, job)) as
      | OccurrenceRow
      | undefined
  }

  findById(key: OccurrenceKey): OccurrenceRow | undefined {
    return (this.#statements.findRunningById.get(key) ?? this.#statements.findWaitingById.get(key)) as
      | OccurrenceRow
      | undefined
  }

  addRunning(job: number, record: OccurrenceRecord, key: OccurrenceKey): void {
    this.#statements.addRunning.run(job, record.scheduledAt, key, ...this.#valuesOf(record))
  }

  /** Adds a waiting occurrence. `claimAt`: the instant from which a claim may take the occurrence. */
  addWaiting(job: number, record: OccurrenceRecord, key: OccurrenceKey, lane: Lane, claimAt: number): void {
    const { priority = 0 } = record.details
    this.#statements.addWaiting.run(job, lane, orderAt(record), key, priority, ...this.#valuesOf(record), claimAt)
  }

  #valuesOf(record: OccurrenceRecord): readonly unknown[] {
    return [
      kindCode(record.kind, record.recovered),
      record.token,
      record.sequence,
      record.rescues,
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

  removeWaiting(job: number, lane: number, order: number, key: OccurrenceKey): void {
    this.#statements.removeWaiting.run(job, lane, order, key)
  }

  // -------------------------------------------------------------------------------------------------------- of one job

  /**
   * Returns the first `limit` occurrences of the job in a state. Running occurrences are sorted by scheduled time, others
   * by `orderAt`.
   */
  liveOf(job: number, state: LiveState, limit: number): readonly OccurrenceRow[] {
    const count = Number.isFinite(limit) ? limit : everything
    return this.#statements.liveOf[state].all(job, count) as OccurrenceRow[]
  }

  /** Like {@link liveOf}, for slots of versions less than `below` that no node has started. */
  superseded(job: number, state: 'pending' | 'queued', below: number, limit: number): readonly OccurrenceRow[] {
    const most = Number.isFinite(limit) ? limit : everything
    return this.#statements.superseded[state].all({ job, below, most }) as OccurrenceRow[]
  }

  /** Number of running occurrences of the job, at most `limit`. */
  countRunning(job: number, limit: number): number {
    return this.#statements.countRunning.get(job, Number.isFinite(limit) ? limit : everything) as number
  }

  has(job: number): boolean {
    return this.#statements.hasRunning.get(job) !== undefined || this.#statements.hasWaiting.get(job) !== undefined
  }

  /** Hides the pending occurrences of a job from claims, while the job is paused without an end. */
  park(job: number): void {
    this.#statements.park.run(job)
  }

  /**
   * Lets claims take the pending occurrences of a job again, from the instant `from` on. `now` decides which of them
   * are claimable already.
   */
  unpark(job: number, from: number, now: number): void {
    this.#statements.unpark.run({ job, from, now })
  }

  // ------------------------------------------------------------------------------------------------------- of all jobs

  counts(): LiveCounts {
    return this.#statements.counts.get() as LiveCounts
  }

  /** Number of due occurrences whose lane (see `lanes`) is still `delayed`, at most `limit`. */
  countDelayedDue(now: number, limit: number): number {
    return this.#statements.countDelayedDue.get(now, limit) as number
  }

  /** Like {@link promote}, but promotes at most `limit` occurrences. Returns how many it promoted. */
  promoteSome(now: number, limit: number): number {
    return this.#statements.promoteSome.run(now, limit).changes
  }

  /**
   * Changes the column `lane` of delayed occurrences that have become claimable to `lanes.ready`, so that claims find these
   * occurrences.
   */
  promote(now: number): void {
    this.#statements.promote.run(now)
  }

  /**
   * Returns claimable occurrences in the order of waiting occurrences. Leaves out occurrences whose handler key is in
   * `exceptHandlers`.
   */
  ready(now: number, exceptHandlers: readonly number[], limit: number): readonly OccurrenceRow[] {
    const found =
      exceptHandlers.length === 0
        ? this.#statements.ready.all(now, limit)
        : this.#statements.readyExcept.all(JSON.stringify(exceptHandlers), now, limit)
    return found as OccurrenceRow[]
  }

  /**
   * Returns the next instant after `now` at which a pending occurrence becomes claimable; `null` without such an
   * instant. Ignores occurrences whose handler key is in `exceptHandlers`.
   */
  nextDueAt(now: number, exceptHandlers: readonly number[]): number | null {
    const except = JSON.stringify(exceptHandlers)
    const next = [lanes.delayed, lanes.ready].map(
      (lane) => (this.#statements.nextDue.get(lane, now, except) as number | undefined) ?? Number.POSITIVE_INFINITY,
    )
    const least = Math.min(...next)
    return Number.isFinite(least) ? least : null
  }

  /** Returns the running occurrences of this owner that have a cancel request. */
  cancelRequestedOf(owner: number): readonly OccurrenceRow[] {
    return this.#statements.cancelRequestedOf.all(owner) as OccurrenceRow[]
  }
}

const freeOfHandlers = 'h.handler NOT IN (SELECT value FROM json_each(?))'

function prepareStatements(database: NamedTables) {
  const { running, waiting } = occurrenceColumns
  const { ready, delayed, parked, queued } = lanes
  const placeholders = Array(14).fill('?').join(', ')
  const waitingOf = (ofLanes: string) =>
    database.raw(`SELECT ${waiting} FROM {waiting} WHERE job = ? AND ${ofLanes} ORDER BY order_at, id LIMIT ?`)
  // The statement reads the waiting occurrences of each value of the column `lane` separately, in order and only up to the
  // limit.
  const superseded = (...ofLanes: readonly Lane[]) => {
    const slots = `kind IN (${kindCode('slot', false)}, ${kindCode('slot', true)})`
    const parts = ofLanes.map(
      (lane) => `SELECT * FROM (SELECT ${waiting}, claim_at, order_at FROM {waiting}
        WHERE job = $job AND lane = ${lane} AND ${slots} AND token = 0 AND job_version < $below
        ORDER BY order_at, id LIMIT $most)`,
    )
    return database.raw(`${parts.join(' UNION ALL ')} ORDER BY order_at, id LIMIT $most`)
  }
  return {
    findRunning: database.raw(`SELECT ${running} FROM {running} WHERE job = ? AND scheduled_at = ? AND id = ?`),
    findWaiting: database.raw(`SELECT ${waiting} FROM {waiting} INDEXED BY {waiting_id} WHERE id = ? AND job = ?`),
    findRunningById: database.raw(`SELECT ${running} FROM {running} WHERE id = ?`),
    findWaitingById: database.raw(`SELECT ${waiting} FROM {waiting} WHERE id = ?`),
    addRunning: database.prepare(`INSERT INTO {running} VALUES (?, ?, ?, ${placeholders})`),
    addWaiting: database.prepare(`INSERT INTO {waiting} VALUES (?, ?, ?, ?, ?, ${placeholders}, ?)`),
    removeRunning: database.prepare('DELETE FROM {running} WHERE job = ? AND scheduled_at = ? AND id = ?'),
    removeWaiting: database.prepare('DELETE FROM {waiting} WHERE job = ? AND lane = ? AND order_at = ? AND id = ?'),
    hasRunning: database.pluck('SELECT 1 FROM {running} WHERE job = ? LIMIT 1'),
    countRunning: database.pluck('SELECT count(*) FROM (SELECT 1 FROM {running} WHERE job = ? LIMIT ?)'),
    hasWaiting: database.pluck('SELECT 1 FROM {waiting} WHERE job = ? LIMIT 1'),
    liveOf: {
      pending: waitingOf(`lane < ${queued}`),
      queued: waitingOf(`lane = ${queued}`),
      running: database.raw(`SELECT ${running} FROM {running} WHERE job = ? ORDER BY scheduled_at, id LIMIT ?`),
    },
    superseded: { pending: superseded(ready, delayed, parked), queued: superseded(queued) },
    park: database.prepare(`UPDATE {waiting} SET lane = ${parked} WHERE job = ? AND lane < ${parked}`),
    unpark: database.prepare(
      `UPDATE {waiting} SET claim_at = max(due_at, $from),
           lane = CASE WHEN max(due_at, $from) <= $now THEN ${ready} ELSE ${delayed} END
         WHERE job = $job AND lane < ${queued}`,
    ),
    counts: database.prepare(
      `SELECT (SELECT count(*) FROM {waiting} WHERE lane < ${queued}) AS pending,
         (SELECT count(*) FROM {waiting} WHERE lane = ${queued}) AS queued, (SELECT count(*) FROM {running}) AS running`,
    ),
    countDelayedDue: database.pluck(
      `SELECT count(*) FROM (SELECT 1 FROM {waiting} WHERE lane = ${delayed} AND claim_at <= ? LIMIT ?)`,
    ),
    promoteSome: database.prepare(
      `UPDATE {waiting} SET lane = ${ready} WHERE (job, lane, order_at, id) IN (
         SELECT job, lane, order_at, id FROM {waiting} INDEXED BY {waiting_lane}
           WHERE lane = ${delayed} AND claim_at <= ? ORDER BY claim_at LIMIT ?)`,
    ),
    promote: database.prepare(`UPDATE {waiting} SET lane = ${ready} WHERE lane = ${delayed} AND claim_at <= ?`),
    ready: database.raw(
      `SELECT ${waiting} FROM {waiting} INDEXED BY {waiting_ready} WHERE lane = ${ready} AND claim_at <= ?
           ORDER BY order_at, id LIMIT ?`,
    ),
    readyExcept: database.raw(
      `SELECT ${waiting} FROM {waiting} INDEXED BY {waiting_ready}
           WHERE lane = ${ready}
             AND (SELECT handler FROM {heads} WHERE row = job) NOT IN (SELECT value FROM json_each(?)) AND claim_at <= ?
           ORDER BY order_at, id LIMIT ?`,
    ),
    nextDue: database.pluck(
      `SELECT w.claim_at FROM {waiting} w INDEXED BY {waiting_lane} CROSS JOIN {heads} h ON h.row = w.job
           WHERE w.lane = ? AND w.claim_at > ? AND ${freeOfHandlers} ORDER BY w.claim_at LIMIT 1`,
    ),
    cancelRequestedOf: database.raw(
      `SELECT ${running} FROM {running} WHERE owner = ? AND cancel IS NOT NULL ORDER BY scheduled_at, id`,
    ),
  }
}
