import type { OccurrenceId } from '@jobistemer/core'
import {
  type CancelRequest,
  cancelRequestOfStored,
  codec1,
  cursorError,
  detailsOfStored,
  finalStates,
  isFinal,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type OccurrenceState,
  type Page,
  pageOf,
  parseStored,
  priorityStepMs,
  withRunsOfStored,
} from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { HistoryRange } from './history.ts'
import { type Lane, lanes, type NamedTables } from './schema.ts'
import type { Tables } from './tables.ts'

/** The stored form of an occurrence's id: the 16 bytes of its UUID, or the text of an id of another form. */
export type OccurrenceKey = Buffer | string

/** Returns the stored form of an id. Equal ids have equal keys, and keys sort like ids. */
export function keyOf(id: OccurrenceId): OccurrenceKey {
  return written(Buffer.allocUnsafe(16), id)
}

const lent = Buffer.allocUnsafe(16)

/**
 * Like {@link keyOf}, but the next call overwrites the result. One shared buffer saves 0.2 µs per call, and is safe because a
 * statement copies its values.
 */
export function lentKeyOf(id: OccurrenceId): OccurrenceKey {
  return written(lent, id)
}

function written(bytes: Buffer, id: OccurrenceId): OccurrenceKey {
  return id.startsWith('occ_') && codec1.writeId(bytes, 0, id) ? bytes : id
}

/** Returns the id of a stored key. */
export function idOf(key: OccurrenceKey): OccurrenceId {
  return typeof key === 'string' ? (key as OccurrenceId) : codec1.readOccurrenceId(key, 0)
}

/** Compares keys in SQLite's order: texts before blobs. */
export function compareKeys(left: OccurrenceKey, right: OccurrenceKey): number {
  if (typeof left === 'string') return typeof right === 'string' ? (left < right ? -1 : left > right ? 1 : 0) : -1
  return typeof right === 'string' ? 1 : Buffer.compare(left, right)
}

export function compareEntries(left: Place, right: Place): number {
  return left.scheduledAt - right.scheduledAt || compareKeys(left.key, right.key)
}

const { isRecovered, kindOf, parseRuns, stateCodes, stateOf } = codec1

/** A row of one of the three tables of occurrences, in the columns of {@link occurrenceColumns}. */
export type OccurrenceRow = readonly [
  /** The lane (see `lanes`) of a waiting occurrence, the row number of a finished one, 0 for a running one. */
  place: number,
  job: number,
  scheduledAt: number,
  key: OccurrenceKey,
  state: number,
  kind: number,
  token: number,
  sequence: number,
  rescues: number,
  owner: number | null,
  jobVersion: number,
  dueAt: number,
  createdAt: number,
  startedAt: number | null,
  finishedAt: number | null,
  timeout: number,
  reason: string | null,
  cancel: string | null,
  details: string | null,
  runs: string | null,
  /**
   * The instant from which a claim may take the occurrence. Set only in lists of waiting occurrences that are sorted by
   * this instant.
   */
  claimAt?: number,
  /**
   * The instant `orderAt`, by which waiting occurrences are sorted. Set only in lists of waiting occurrences that are
   * sorted by `claimAt`.
   */
  orderAt?: number,
]

const tail = 'timeout, reason, cancel, details'
const liveColumns = `kind, token, sequence, rescues, owner, job_version, due_at, created_at, started_at, NULL, ${tail}`
const waitingState = `CASE lane WHEN ${lanes.queued} THEN ${stateCodes.queued} ELSE ${stateCodes.pending} END`
/** SQL that computes the scheduled time of a waiting occurrence from its order and priority. */
const waitingScheduledAt: string = `(order_at + priority * ${priorityStepMs})`

// The history stores each instant as a difference from an earlier instant of the same occurrence. A difference takes
// one or two bytes, an instant six.
const finishedColumns = `kind, token, sequence, rescues, owner, job_version, scheduled_at + due_in,
  scheduled_at + created_in, scheduled_at + created_in + started_in, scheduled_at + created_in + finished_in, ${tail}`

/** SQL select list of each table for an {@link OccurrenceRow}. */
export const occurrenceColumns: Readonly<Record<'running' | 'waiting' | 'history', string>> = {
  running: `0, job, scheduled_at, id, ${stateCodes.running}, ${liveColumns}, runs`,
  waiting: `lane, job, ${waitingScheduledAt}, id, ${waitingState}, ${liveColumns}, runs`,
  /** Without `runs`, the last column of a row. */
  history: `row, job, scheduled_at, id, state, ${finishedColumns}`,
}

/** Returns the instant at which a finished occurrence ended. */
function finishedAtOf(row: OccurrenceRow): number {
  return row[14] as number
}

/** Whether a node has started the occurrence. */
export function hasRun(row: OccurrenceRow): boolean {
  return row[6] > 0
}

export function readOccurrence(row: OccurrenceRow, { jobs, names }: Tables, withRuns = true): OccurrenceRecord {
  const [, job, scheduledAt, key, stateCode, kind, token, sequence, rescues, owner, jobVersion] = row
  const [, , , , , , , , , , , dueAt, createdAt, startedAt, finishedAt, timeout, reason, cancel, details, runs] = row
  const state = stateOf(stateCode)
  return {
    id: idOf(key),
    jobId: jobs.jobIdOf(job),
    scheduledAt,
    kind: kindOf(kind),
    state,
    token,
    sequence,
    owner: owner === null ? null : names.ownerOf(owner),
    jobVersion,
    dueAt,
    createdAt,
    startedAt,
    finishedAt,
    executionTimeoutMs: timeout,
    deadlineAt: state === 'running' && startedAt !== null ? startedAt + timeout : null,
    reason,
    recovered: isRecovered(kind),
    rescues,
    cancelRequest: cancel === null ? null : cancelRequestOfStored(parseStored(cancel)),
    ...withRunsOfStored(
      details === null ? {} : detailsOfStored(parseStored(details)),
      withRuns ? parseRuns(runs, scheduledAt) : [],
    ),
  }
}

export function printCancelRequest(request: CancelRequest | null): string | null {
  return request === null ? null : JSON.stringify(request)
}

type Query<Kind extends OccurrenceQuery['kind']> = Extract<OccurrenceQuery, { readonly kind: Kind }>

/**
 * Maximum number of a job's occurrences that a call of `listOccurrences` scans. After this number, the call returns a
 * cursor, with or without items.
 */
const scanLimit = 10_000

/**
 * Number of occurrences that a query with a filter by state reads at first. This read finds enough occurrences for most
 * queries; each further read is larger.
 */
const firstScanStep = 100
const lastScanStep = 1000

/** Returns pages of occurrences that match a query. */
export class OccurrenceQueries {
  readonly #tables: Tables
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(tables: Tables) {
    this.#tables = tables
    this.#statements = prepareStatements(tables.database)
  }

  list(query: OccurrenceQuery): Page<OccurrenceRecord> {
    if (query.kind === 'failed') return this.#listFailed(query)
    if (query.kind === 'job') return this.#listOfJob(query)
    return query.state === 'running' ? this.#listRunning(query) : this.#listWaiting(query)
  }

  // ----------------------------------------------------------------------------------------------------------- history

  #listOfJob(query: Query<'job'>): Page<OccurrenceRecord> {
    const head = this.#tables.jobs.headOf(query.jobId)
    if (head === undefined) return { items: [], cursor: null }
    const { limit, states, order } = query
    const wantsAll = states === undefined || finalStates.every((state) => states.includes(state))
    const wanted = wantsAll ? null : new Set(states.map((state) => stateCodes[state]))
    const hasFinished = states?.some(isFinal) !== false
    const sign = order === 'ascending' ? 1 : -1
    const compare = (left: OccurrenceRow, right: OccurrenceRow) => sign * compareEntries(placeOf(left), placeOf(right))
    const items: OccurrenceRecord[] = []
    let after = query.cursor === null ? null : readPlace(query.cursor)
    // Reads one occurrence more than the query returns, to find out whether more occurrences follow.
    const live = this.#liveOfJob(head.row, query, after)
      .sort(compare)
      .slice(0, limit + 1)
    let step = Math.max(firstScanStep, limit + 1)
    for (let scanned = 0; scanned < scanLimit; ) {
      const count = wanted === null ? limit - items.length + 1 : step
      step = Math.max(step, Math.min(2 * step, lastScanStep))
      const rows = hasFinished ? this.#finishedOfJob(head.row, query, after, count) : []
      scanned += rows.length
      const isLast = rows.length < count
      const last = rows.at(-1)
      while (live[0] !== undefined && (isLast || compare(live[0], last as OccurrenceRow) < 0)) {
        rows.push(live.shift() as OccurrenceRow)
      }
      for (const row of rows.sort(compare)) {
        const isWanted = wanted === null || wanted.has(row[4])
        if (isWanted && items.length === limit) return { items, cursor: after === null ? null : printPlace(after) }
        if (isWanted) items.push(this.#tables.read(row, query.runs))
        after = placeOf(row)
      }
      if (isLast) return { items, cursor: null }
    }
    return { items, cursor: after === null ? null : printPlace(after) }
  }

  /**
   * Returns the first live occurrences of the job that match the query. The query sorts by scheduled time. The tables
   * do not have waiting occurrences in this order, so the statements read all of them.
   */
  #liveOfJob(job: number, query: Query<'job'>, after: Place | null): OccurrenceRow[] {
    const { from = -9e15, to = 9e15, order, limit, states } = query
    const { running, pending, queued, waiting } = this.#statements[order === 'ascending' ? 'rising' : 'falling']
    const isWanted = (state: OccurrenceState) => states === undefined || states.includes(state)
    const place = after ?? { scheduledAt: order === 'ascending' ? -9e15 : 9e15, key: '' }
    const bounds = [job, from, to, place.scheduledAt, place.key, limit + 1]
    const statements: Database.Statement[] = isWanted('running') ? [running] : []
    if (isWanted('pending')) statements.push(isWanted('queued') ? waiting : pending)
    else if (isWanted('queued')) statements.push(queued)
    return statements.flatMap((statement) => statement.all(...bounds) as OccurrenceRow[])
  }

  /** Returns the next finished occurrences of the job in the order of the query. */
  #finishedOfJob(job: number, query: Query<'job'>, after: Place | null, limit: number): OccurrenceRow[] {
    const { from = -9e15, to = 9e15, order } = query
    const range: HistoryRange = { job, from, to, after, order, limit }
    const { history } = this.#tables
    return history.walk(range).map(({ row }) => history.rowAt(row, query.runs) as OccurrenceRow)
  }

  // ---------------------------------------------------------------------------------------------------------- failures

  #listFailed(query: Query<'failed'>): Page<OccurrenceRecord> {
    const { jobs, history } = this.#tables
    const job = query.jobId === undefined ? null : jobs.headOf(query.jobId)?.row
    if (job === undefined) return { items: [], cursor: null }
    const after = query.cursor === null ? null : readPlace(query.cursor)
    const place = after === null ? null : { endedAt: after.scheduledAt, key: after.key }
    const rows = history.failures.list(query, job, place).map((row) => history.rowAt(row, query.runs) as OccurrenceRow)
    return this.#page(rows, query, (row) => `${finishedAtOf(row)} ${idOf(row[3])}`)
  }

  // -------------------------------------------------------------------------------------------------------------- live

  #listRunning(query: Query<'live'>): Page<OccurrenceRecord> {
    const { limit, node = null, deadlineBefore = 9e15 } = query
    const after = query.cursor === null ? [-1, 0, ''] : readNumbers(query.cursor, 2)
    const rows = this.#statements.running.all(...after, node, node, deadlineBefore, limit + 1) as OccurrenceRow[]
    return this.#page(rows, query, (row) => `${row[1]} ${row[2]} ${idOf(row[3])}`)
  }

  #listWaiting(query: Query<'live'>): Page<OccurrenceRecord> {
    const { limit, state } = query
    const [claim, job, order, id] = query.cursor === null ? [-9e15, 0, 0, ''] : readNumbers(query.cursor, 3)
    const statement = state === 'queued' ? this.#statements.queued : this.#statements.pending
    const rows = statement.all({ claim, job, order, id, limit: limit + 1 }) as OccurrenceRow[]
    return this.#page(rows, query, (row) => `${row[20]} ${row[1]} ${row[21]} ${idOf(row[3])}`)
  }

  #page(
    rows: readonly OccurrenceRow[],
    { limit, runs }: Query<'live' | 'failed'>,
    cursorOf: (row: OccurrenceRow) => string,
  ): Page<OccurrenceRecord> {
    const page = pageOf(rows, limit, cursorOf)
    return { items: page.items.map((row) => this.#tables.read(row, runs)), cursor: page.cursor }
  }
}

// ------------------------------------------------------------------------------------------------------------- cursors

export interface Place {
  readonly scheduledAt: number
  readonly key: OccurrenceKey
}

function placeOf(row: OccurrenceRow): Place {
  return { scheduledAt: row[2], key: row[3] }
}

function printPlace({ scheduledAt, key }: Place): string {
  return `${scheduledAt} ${idOf(key)}`
}

function readPlace(cursor: string): Place {
  const [scheduledAt, key] = readNumbers(cursor, 1)
  return { scheduledAt: scheduledAt as number, key: key as OccurrenceKey }
}

/** Parses a cursor of `count` numbers and an id. */
function readNumbers(cursor: string, count: number): readonly (number | OccurrenceKey)[] {
  const parts = cursor.split(' ')
  const numbers = parts.slice(0, count).map(Number)
  const id = parts.slice(count).join(' ')
  if (numbers.length < count || !numbers.every(Number.isFinite) || !id.startsWith('occ_')) {
    throw cursorError(cursor)
  }
  return [...numbers, keyOf(id as `occ_${string}`)]
}

function prepareStatements(database: NamedTables) {
  const ofJob = (table: 'running' | 'waiting', condition: string, comparison: '<' | '>', direction: 'ASC' | 'DESC') => {
    const at = table === 'running' ? 'scheduled_at' : waitingScheduledAt
    return database.raw(
      `SELECT ${occurrenceColumns[table]} FROM {${table}} WHERE job = ? AND ${condition} AND ${at} >= ? AND ${at} < ?
           AND (${at}, id) ${comparison} (?, ?) ORDER BY ${at} ${direction}, id ${direction} LIMIT ?`,
    )
  }
  const liveOfJob = (comparison: '<' | '>', direction: 'ASC' | 'DESC') => ({
    running: ofJob('running', 'TRUE', comparison, direction),
    pending: ofJob('waiting', `lane < ${lanes.queued}`, comparison, direction),
    queued: ofJob('waiting', `lane = ${lanes.queued}`, comparison, direction),
    waiting: ofJob('waiting', 'TRUE', comparison, direction),
  })
  // When a waiting occurrence becomes claimable, its column `lane` changes, perhaps between two calls of
  // `listOccurrences`. The statement reads the rows of all given values of `lane` in one common order. So the list
  // contains this occurrence nevertheless.
  const waitingIn = (...of: readonly Lane[]) => {
    const order = 'ORDER BY claim_at, job, order_at, id LIMIT $limit'
    const parts = of.map(
      (lane) => `SELECT * FROM (SELECT ${occurrenceColumns.waiting}, claim_at, order_at
        FROM {waiting} INDEXED BY {waiting_lane}
        WHERE lane = ${lane} AND (claim_at, job, order_at, id) > ($claim, $job, $order, $id) ${order})`,
    )
    return database.raw(`${parts.join(' UNION ALL ')} ${order}`)
  }
  return {
    rising: liveOfJob('>', 'ASC'),
    falling: liveOfJob('<', 'DESC'),
    running: database.raw(
      `SELECT ${occurrenceColumns.running} FROM {running} WHERE (job, scheduled_at, id) > (?, ?, ?)
           AND (? IS NULL OR owner IN (SELECT row FROM {owners} WHERE node = ?)) AND started_at + timeout <= ?
           ORDER BY job, scheduled_at, id LIMIT ?`,
    ),
    pending: waitingIn(lanes.ready, lanes.delayed, lanes.parked),
    queued: waitingIn(lanes.queued),
  }
}
