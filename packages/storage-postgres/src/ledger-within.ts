import { JobistemerError } from '@jobistemer/core'
import type { AsyncLedgerWithin, LedgerStep, WakeUp } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { isNoTransaction } from './postgres-errors.ts'
import type { StepRunner } from './run-step.ts'
import type { Session } from './sql.ts'
import { writeCall } from './step-write.ts'

/** What is needed of the storage that a transaction is to write to. */
export interface StepsOf {
  readonly database: Pick<Database, 'errorOf'>
  readonly steps: StepRunner
}

/**
 * The ledger inside a transaction of a user's. Each step is a savepoint: one that fails has written nothing. What it locks,
 * the heads of its jobs, stays locked until the transaction ends.
 */
export class LedgerWithin implements AsyncLedgerWithin {
  readonly #session: Session
  readonly #schema: string
  readonly #write: string
  /** Opens the storage, or fails with what is wrong with it. */
  readonly #opened: () => Promise<StepsOf>
  /** `null` where nobody can be woken. */
  readonly #channel: string | null

  constructor(
    session: Session,
    options: { readonly schema: string; readonly opened: () => Promise<StepsOf>; readonly channel: string | null },
  ) {
    this.#session = session
    this.#schema = options.schema
    this.#write = writeCall(options.schema)
    this.#opened = options.opened
    this.#channel = options.channel
  }

  async run(step: LedgerStep): Promise<void> {
    const { database, steps } = await this.#opened()
    try {
      await this.#session.query('SAVEPOINT jobistemer')
      try {
        await steps.within(await this.#inSameTransaction(), step)
      } catch (error) {
        // The first failure is the news. A connection that is gone has rolled back by itself.
        await this.#session.query('ROLLBACK TO SAVEPOINT jobistemer').catch(() => {})
        throw error
      }
      await this.#session.query('RELEASE SAVEPOINT jobistemer')
    } catch (error) {
      throw isNoTransaction(error) ? noTransaction() : database.errorOf(error)
    }
  }

  /**
   * Whoever does not wait for a call may end the transaction in the middle of it, and what comes then would be a transaction
   * of its own: so what writes looks first whether it is still the same one.
   */
  async #inSameTransaction(): Promise<Session> {
    const [row] = await this.#session.query('SELECT pg_current_xact_id()::text AS id')
    const id = String(row?.id)
    return {
      query: async (text, values) => {
        if (text !== this.#write) return await this.#session.query(text, values)
        const given = values ?? []
        const isSame = ` WHERE pg_current_xact_id_if_assigned()::text = $${given.length + 1}::text`
        const rows = await this.#session.query(text + isSame, [...given, id])
        if (rows.length === 0) throw noTransaction()
        return rows
      },
    }
  }

  /** Heard by others, and by this storage itself, when the transaction is committed. */
  async notify(kinds: ReadonlySet<WakeUp['kind']>): Promise<void> {
    if (this.#channel === null) return
    const text = ['transaction', ...kinds].join(' ')
    await this.#session.query('SELECT pg_notify($1::text, $2::text)::text', [this.#channel, text])
  }

  /** A foreign key that leads nowhere, and that PostgreSQL looks at when it commits. */
  async forbidCommit(): Promise<void> {
    await this.#session.query(`INSERT INTO ${this.#schema}.no_commit VALUES (1, 2) ON CONFLICT DO NOTHING`)
  }
}

function noTransaction(): JobistemerError {
  return new JobistemerError('INVALID_TRANSACTION', {
    message: 'No transaction is open on the connection that transaction is, or it has ended meanwhile.',
    field: 'transaction',
    value: undefined,
    remedy: 'Begin one, and await this call before its end.',
  })
}
