import type { JobWrite, LedgerStep } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { uuidOrNull } from './ids.ts'
import { locksAreLimited } from './lock-limit.ts'
import { anyOf } from './one-of.ts'
import { isContention, isHeld } from './postgres-errors.ts'
import { StepReading, type StepLocks } from './read-step.ts'
import { saveJobs } from './save-jobs.ts'
import { plainArray, type Session } from './sql.ts'
import { lanes } from './state-codes.ts'
import { writeCall, writeStep } from './step-write.ts'

/** Maximum number of tries of a step without locks. Then the step locks its heads. */
const freeTries = 2

/**
 * Maximum number of consecutive tries that gave up waiting for a lock although no transaction held an occurrence of the
 * step. Then the step fails.
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
   * Runs a step on occurrences in two statements: the first reads without locks, and the second writes if no job has
   * changed meanwhile. After `freeTries` conflicts, or if the step writes jobs, this method locks the heads first.
   */
  async run(step: LedgerStep): Promise<void> {
    for (let freed = 0; ; ) {
      try {
        await this.#runPast(step)
        return
      } catch (error) {
        if (!isHeld(error)) throw error
        // If no transaction holds an occurrence of the step, the holder of the lock may have ended. Or the server's own
        // lock timeout ended the wait for another lock. Both count as freed.
        freed = (await this.#awaitHeld(step)) ? 0 : freed + 1
        if (freed === mostFreed) throw error
      }
    }
  }

  /** @throws if another transaction holds an occurrence that the step changes. The step has then released all locks. */
  async #runPast(step: LedgerStep): Promise<void> {
    if (!step.wholeJobs) {
      for (let tries = 0; tries < freeTries; tries++) if (await this.#tryFreely(step)) return
    }
    await this.#database.transaction(async (session) => await this.#runIn(session, step, false))
  }

  /**
   * Waits until a user's transaction has released an occurrence that the step may change. This wait holds no locks that
   * other steps need. Returns whether such a transaction existed.
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

  async #tryFreely(step: LedgerStep): Promise<boolean> {
    try {
      const writes = await this.#decide(this.#database, step, { locks: false, limit: null })
      return (
        writes.length === 0 ||
        (await writeStep(this.#database, this.#writeCall, writes, {
          guards: true,
          waits: false,
          lockLimit: this.#database.lockLimit,
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
    const limit = waits ? null : this.#database.lockLimit
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
