import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  compareAddresses,
  compareOrder,
  type JobWrite,
  type LedgerEntry,
  type LedgerStep,
  type LiveNeed,
  type LiveState,
  liveStates,
  type OccurrenceRecord,
  StepTooLarge,
  type StepState,
} from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { jobIdOf, occurrenceIdOf, uuidOf, uuidOrNull } from './ids.ts'
import { headRuns } from './in-head.ts'
import { readCounts, readHead, type ReadJob, readJob, saveJobs, selectJobs } from './job-row.ts'
import { lanes, liveColumns, readOccurrence, slotCodes, stateCodes, withOwners } from './occurrence-row.ts'
import { isContention, isHeld } from './postgres-errors.ts'
import { heldMs } from './quick-functions.ts'
import { anyOf, eachOf, limitOf, locksAreLimited, numberOf, plainArray, type Row, type Session } from './sql.ts'
import { writeCall, writeStep } from './step-write.ts'

/** A limit that is greater than the number of occurrences of any job. */
const allOfThem = 1e15

/**
 * `locks`: whether a step locks the heads of its jobs. `limit`: how long the step waits for each lock; `null` if the
 * limit of the session applies.
 */
interface StepLocks {
  readonly locks: boolean
  readonly limit: string | null
}

/** Reads the data that a step needs, in a session. */
class StepReading {
  readonly jobs: Map<JobId, ReadJob> = new Map()
  readonly occurrences: Map<OccurrenceId, LedgerEntry> = new Map()
  readonly keys: Map<OccurrenceId, OccurrenceId> = new Map()
  readonly #session: Session
  readonly #schema: string

  constructor(session: Session, schema: string) {
    this.#session = session
    this.#schema = schema
  }

  /**
   * Reads the heads and the other records of the step from one snapshot. `locks`: whether to lock the heads before the
   * read. `limit`: how long the transaction waits for each lock from now on; `null` if the limit of the session
   * applies.
   */
  async begin(step: LedgerStep, { locks, limit }: StepLocks): Promise<void> {
    const [jobs, ids, keys] = namesOf(step)
    const rows = await this.#session.query(
      `SELECT * FROM ${this.#schema}.read_step($1::text::uuid[], $2::text::uuid[], $3::text::uuid[], $4::text::boolean, $5::text)`,
      [plainArray(jobs), plainArray(ids), plainArray(keys), String(locks), limit],
    )
    for (const row of rows) this.#keep(row)
    if (step.wholeJobs) await this.#readJobs()
  }

  #keep(row: Row): void {
    const id = jobIdOf(row.job)
    if (!this.jobs.has(id)) {
      const head = readHead(row, id)
      this.jobs.set(id, { head, counts: readCounts(row), job: null, revision: numberOf(row.revision) })
    }
    if (row.id === null) return
    const record = readOccurrence(row)
    this.occurrences.set(record.id, { record })
    if (row.key_id !== null) this.keys.set(occurrenceIdOf(row.key_id), record.id)
  }

  async #readJobs(): Promise<void> {
    const ids = plainArray([...this.jobs.keys()].map(uuidOf))
    const rows = await this.#session.query(eachOf('$1', `${selectJobs(this.#schema)} WHERE h.id = n.id`), [ids])
    for (const job of rows.map(readJob)) {
      const read = this.jobs.get(job.id) as ReadJob
      this.jobs.set(job.id, { ...read, head: job, job })
    }
  }

  /**
   * Reads the live occurrences that the step needs without knowing their ids. Returns them by job and state. Running
   * occurrences are sorted by scheduled time, pending and queued ones by `orderAt`.
   */
  async live(needs: readonly LiveNeed[]): Promise<StepState['live']> {
    const found = new Map<JobId, Record<LiveState, LedgerEntry[]>>()
    for (const record of [...(await this.#first(needs)), ...(await this.#superseded(needs))]) {
      let ofJob = found.get(record.jobId)
      if (ofJob === undefined) {
        ofJob = { pending: [], queued: [], running: [] }
        found.set(record.jobId, ofJob)
      }
      ofJob[record.state as LiveState].push({ record })
    }
    for (const ofJob of found.values()) for (const state of liveStates) ofJob[state] = inOrder(ofJob[state], state)
    return found
  }

  /** Reads the first occurrences of each job and live state, up to the number that the step needs. */
  async #first(needs: readonly LiveNeed[]): Promise<readonly OccurrenceRecord[]> {
    const wanted = needs.flatMap((need) => {
      return liveStates.flatMap((state) => {
        const isThere = need[state] > 0 && (this.jobs.get(need.jobId)?.counts[state] ?? 0) > 0
        return isThere ? stateCodes[state].map((lane) => ({ job: need.jobId, lane, most: limitOf(need[state]) })) : []
      })
    })
    if (wanted.length === 0) return []
    const rows = await this.#session.query(
      withOwners(
        this.#schema,
        `SELECT l.* FROM unnest($1::text::uuid[], $2::text::smallint[], $3::text::bigint[]) n (job, lane, most)
         CROSS JOIN LATERAL (
           SELECT ${liveColumns} FROM ${this.#schema}.live
           WHERE state = n.lane AND job = n.job ORDER BY order_at, id LIMIT n.most
         ) l UNION ALL ${eachOf('$4', headRuns(this.#schema, 'h.id = n.id'))}`,
      ),
      [
        plainArray(wanted.map(({ job }) => uuidOf(job))),
        plainArray(wanted.map(({ lane }) => lane)),
        plainArray(wanted.map(({ most }) => most)),
        plainArray(wanted.flatMap(({ job, lane }) => (lane === lanes.running ? uuidOf(job) : []))),
      ],
    )
    return rows.map((row) => readOccurrence(row))
  }

  /** Reads waiting occurrences of each job until it has found enough superseded ones, or has read all. */
  async #superseded(needs: readonly LiveNeed[]): Promise<readonly OccurrenceRecord[]> {
    const found: OccurrenceRecord[] = []
    for (const { jobId, superseded } of needs) {
      if (superseded === null) continue
      const { cancelsBelow, count } = superseded
      for (const state of ['pending', 'queued'] as const) {
        const isWaiting = `state IN (${stateCodes[state].join(', ')})`
        const rows = await this.#session.query(
          withOwners(
            this.#schema,
            `WITH last AS (
               SELECT order_at, id FROM ${this.#schema}.live
               WHERE job = $1::text::uuid AND ${isWaiting} AND kind IN (${slotCodes.join(', ')})
                 AND token = 0 AND job_version < $2::text::integer
               ORDER BY order_at, id OFFSET $3::text::bigint LIMIT 1
             )
             SELECT ${liveColumns} FROM ${this.#schema}.live
             WHERE job = $1::text::uuid AND ${isWaiting} AND (
               NOT EXISTS (SELECT FROM last) OR (order_at, id) <= (SELECT order_at, id FROM last)
             )`,
          ),
          [uuidOf(jobId), String(cancelsBelow), String(Math.min(count, allOfThem) - 1)],
        )
        found.push(...rows.map((row) => readOccurrence(row)))
      }
    }
    return found
  }
}

/**
 * Returns the occurrences and keys that a step names, each in an entry with its job. If the step names no occurrence of a job,
 * the job's entry has `null` as occurrence and as key.
 */
function namesOf({ jobs, occurrences, keys }: LedgerStep): Names {
  const names = new Map<string, readonly [job: string, id: string | null, key: string | null]>()
  const named = new Set<JobId>()
  for (const { jobId, id } of occurrences) {
    const [job, uuid] = [uuidOrNull(jobId), uuidOrNull(id)]
    if (job === null || uuid === null) continue
    named.add(jobId)
    names.set(`${job}${uuid}`, [job, uuid, null])
  }
  for (const { jobId, keyId } of keys) {
    const [job, uuid] = [uuidOrNull(jobId), uuidOrNull(keyId)]
    if (job !== null && uuid !== null) names.set(`${job} ${uuid}`, [job, null, uuid])
  }
  const alone = jobs.filter((id) => !named.has(id)).flatMap((id) => uuidOrNull(id) ?? [])
  const all = [...names.values(), ...alone.map((job) => [job, null, null] as const)]
  return [all.map(([job]) => job), all.map(([, id]) => id), all.map(([, , key]) => key)]
}

type Names = readonly [jobs: readonly string[], ids: readonly (string | null)[], keys: readonly (string | null)[]]

function inOrder(entries: LedgerEntry[], state: LiveState): LedgerEntry[] {
  const once = [...new Map(entries.map((entry) => [entry.record.id, entry])).values()]
  const compare = state === 'running' ? compareAddresses : compareOrder
  return once.sort((left, right) => compare(left.record, right.record))
}

/** Maximum number of tries of a step without locks. Further tries lock the heads. */
const freeTries = 2

/**
 * A try fails if it waits too long for a lock. After this number of consecutive failed tries, the step fails. Usually another
 * transaction held an occurrence of the step. Such a failed try does not count, and the count starts again at 0.
 */
const mostFreed = 5

/** Runs the steps of core's storage protocol. */
export class StepRunner {
  readonly #database: Database
  readonly #schema: string
  readonly #writeCall: string

  constructor(database: Database, schema: string) {
    this.#database = database
    this.#schema = schema
    this.#writeCall = writeCall(schema)
  }

  /**
   * Runs a step on occurrences in two statements. The first statement reads without locks. The second statement writes, but
   * only if no job has changed since the read. If the step writes jobs, or after `freeTries` conflicts, this method locks the
   * heads before it reads.
   */
  async run(step: LedgerStep): Promise<void> {
    for (let freed = 0; ; ) {
      try {
        await this.#runPast(step)
        return
      } catch (error) {
        if (!isHeld(error)) throw error
        // Another transaction may hold one of several jobs. In parts, the step changes the other jobs.
        if (step.jobs.length > 1) throw new StepTooLarge()
        if (step.isOptional) throw error
        // `freed` counts consecutive tries that waited too long for a lock. If a user's transaction held an occurrence of the
        // step, the count starts again at 0.
        freed = (await this.#awaitHeld(step)) ? 0 : freed + 1
        if (freed === mostFreed) throw error
      }
    }
  }

  /**
   * Runs the step, but does not wait for occurrences that other transactions hold.
   *
   * @throws if another transaction holds an occurrence that the step changes; before it throws, this call has released its
   * locks
   */
  async #runPast(step: LedgerStep): Promise<void> {
    if (!step.wholeJobs) {
      for (let tries = 0; tries < freeTries; tries++) if (await this.#tryFreely(step)) return
    }
    await this.#database.transaction(async (session) => await this.#runIn(session, step, false))
  }

  /**
   * Waits while a user's transaction holds a lock on an occurrence that the step may change. During this wait, this method
   * holds no locks that other steps need. Returns true if it found such a lock.
   */
  async #awaitHeld({ jobs }: LedgerStep): Promise<boolean> {
    const running = `${this.#schema}.live WHERE job = ${anyOf('$1', 'uuid')} AND state = ${lanes.running}`
    const [held] = await this.#database.query(
      `WITH free AS (SELECT id FROM ${running} FOR SHARE SKIP LOCKED)
       SELECT id FROM ${running} AND id NOT IN (SELECT id FROM free) LIMIT 1`,
      [plainArray(jobs.flatMap((id) => uuidOrNull(id) ?? []))],
    )
    if (held === undefined) return false
    await this.#database.query(
      `SELECT FROM ${this.#schema}.live WHERE id = $1::text::uuid AND ${locksAreLimited('$2::text')} FOR SHARE`,
      [String(held.id), this.#database.lockLimit],
    )
    return true
  }

  /** Returns how long a step waits for a lock. A step on several jobs soon gives up, because it can continue in parts. */
  #lockLimitOf({ jobs, isOptional }: LedgerStep): string {
    return jobs.length > 1 || isOptional ? `${heldMs}ms` : this.#database.lockLimit
  }

  async #tryFreely(step: LedgerStep): Promise<boolean> {
    try {
      const writes = await this.#decide(this.#database, step, { locks: false, limit: null })
      return (
        writes.length === 0 ||
        (await writeStep(this.#database, this.#writeCall, writes, {
          guards: true,
          waits: false,
          lockLimit: this.#lockLimitOf(step),
        }))
      )
    } catch (error) {
      if (isContention(error)) return false
      throw error
    }
  }

  /**
   * Runs a step in the caller's open transaction, which stays open.
   *
   * @throws errors after which the transaction must be repeated
   */
  async within(session: Session, step: LedgerStep): Promise<void> {
    await this.#runIn(session, step, true)
  }

  async #runIn(session: Session, step: LedgerStep, waits: boolean): Promise<void> {
    const limit = waits ? null : this.#lockLimitOf(step)
    const writes = await this.#decide(session, step, { locks: true, limit })
    if (writes.length === 0) return
    if (step.wholeJobs) await saveJobs(session, this.#schema, writes)
    await writeStep(session, this.#writeCall, writes, { guards: false, waits, lockLimit: null })
  }

  async #decide(session: Session, step: LedgerStep, locks: StepLocks): Promise<readonly JobWrite[]> {
    const reading = new StepReading(session, this.#schema)
    await reading.begin(step, locks)
    const { jobs, occurrences, keys } = reading
    const live = await reading.live(step.needs({ jobs, occurrences }))
    return step.decide({ jobs, occurrences, live, keys })
  }
}
