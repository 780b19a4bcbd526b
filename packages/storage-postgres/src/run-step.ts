import type { JobWrite, LedgerStep } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { isContention } from './postgres-errors.ts'
import { StepReading } from './read-step.ts'
import { saveJobs } from './save-jobs.ts'
import type { Session } from './sql.ts'
import { writeCall, writeStep } from './step-write.ts'

/** So often a step tries without a lock. */
const freeTries = 2

/** Runs the steps of the protocol. */
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
   * A step on occurrences reads without a lock and writes if no job has changed meanwhile: two statements. Where others come
   * between, and where jobs are written, it locks.
   */
  async run(step: LedgerStep): Promise<void> {
    if (!step.wholeJobs) {
      for (let tries = 0; tries < freeTries; tries++) if (await this.#tryFreely(step)) return
    }
    await this.#database.transaction(async (session) => await this.within(session, step))
  }

  async #tryFreely(step: LedgerStep): Promise<boolean> {
    try {
      const writes = await this.#decide(this.#database, step, false)
      return writes.length === 0 || (await writeStep(this.#database, this.#writeCall, writes, true))
    } catch (error) {
      if (isContention(error)) return false
      throw error
    }
  }

  /** Runs a step in a transaction that is open, and stays open. @throws what asks for the transaction to begin anew */
  async within(session: Session, step: LedgerStep): Promise<void> {
    const writes = await this.#decide(session, step, true)
    if (writes.length === 0) return
    if (step.wholeJobs) await saveJobs(session, this.#schema, writes)
    await writeStep(session, this.#writeCall, writes, false)
  }

  async #decide(session: Session, step: LedgerStep, locks: boolean): Promise<readonly JobWrite[]> {
    const reading = new StepReading(session, this.#schema)
    await reading.begin(step, locks)
    const { jobs, occurrences } = reading
    const live = await reading.live(step.needs({ jobs, occurrences }))
    return step.decide({ jobs, occurrences, live })
  }
}
