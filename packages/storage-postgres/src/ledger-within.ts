import type { JobistemerError } from '@jobistemer/core'
import {
  codec1,
  type AsyncLedgerWithin,
  type LedgerStep,
  settledAlone,
  type SettleAnswer,
  type SettleItem,
  type WakeUp,
  storageFailure,
} from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { uuidOrNull } from './ids.ts'
import { isNoTransaction } from './postgres-errors.ts'
import type { StepRunner } from './run-step.ts'
import { refusal } from './schema.ts'
import { isTrue, type Row, type Session, storeText } from './sql.ts'
import { writeCall } from './step-write.ts'
import { within } from './time-limit.ts'
import type { TransactionSession } from './transaction-session.ts'

const { printRuns } = codec1

const completeTypes = ['uuid', 'uuid', 'integer', 'integer', 'integer', 'text', 'text', 'text']
  .map((type, index) => `$${index + 1}::text::${type}`)
  .join(', ')

/**
 * Time limit, in ms, for moving an occurrence from the head of its job to the table `live`. This move is a preparation
 * for the completion of the occurrence in a user's transaction.
 */
const moveLimitMs = 1000

/** The parts of the storage that a ledger within a user's transaction needs. */
export interface StepsOf {
  readonly database: Pick<Database, 'errorOf' | 'query'>
  readonly steps: StepRunner
}

/**
 * The ledger inside a user's transaction.
 * - Each step runs in a savepoint, so a failed step writes nothing.
 * - Steps run one after the other, because locks do not separate steps of the same transaction.
 * - A completion locks its occurrence until the transaction ends.
 * - Every other step locks the heads of its jobs.
 */
export class LedgerWithin implements AsyncLedgerWithin {
  readonly #session: TransactionSession
  readonly #schema: string
  readonly #write: string
  readonly #complete: string
  /** Waits until the storage is open. Rejects with the error of a failed opening. */
  readonly #opened: () => Promise<StepsOf>
  /** The channel for notifications; `null` if wake-ups are off. */
  readonly #channel: string | null

  constructor(
    session: TransactionSession,
    options: { readonly schema: string; readonly opened: () => Promise<StepsOf>; readonly channel: string | null },
  ) {
    this.#session = session
    this.#schema = options.schema
    this.#write = writeCall(options.schema)
    this.#complete = `SELECT ${options.schema}.complete_step(${completeTypes}) AS is_written`
    this.#opened = options.opened
    this.#channel = options.channel
  }

  async run(step: LedgerStep): Promise<void> {
    await this.#inSavepoint(async (session, steps) => await steps.within(session, step))
  }

  /**
   * Stores the completion of a task in the user's transaction. Locks only the occurrence and not the job's head, so other steps
   * on the job do not wait. Returns `null` if it has stored nothing. A step by core's rules must then settle the item.
   */
  async quickSettle({ id, jobId, scheduledAt, change, ...item }: SettleItem): Promise<SettleAnswer | null> {
    const [occurrence, job] = [uuidOrNull(id), uuidOrNull(jobId)]
    if (change.kind !== 'progress' || occurrence === null || job === null) return null
    const { token, owner, sequence, upToSequence, runs } = item
    const last = upToSequence === undefined ? null : String(upToSequence)
    const speaker = owner == null ? [null, null] : [storeText(owner.node), storeText(owner.incarnation)]
    const values = [occurrence, job, String(token), String(sequence), last, printRuns(runs, scheduledAt), ...speaker]
    return await this.#inSavepoint(async (session, _steps, database) => {
      if (isWritten(await session.query(this.#complete, values))) return settledAlone
      const isMoved = await this.#moveOut(database, occurrence, job)
      return isMoved && isWritten(await session.query(this.#complete, values)) ? settledAlone : null
    })
  }

  /**
   * Moves the occurrence out of its job's head, over another connection than the user's transaction. So the user's transaction
   * need not lock the head. The move needs a lock and a connection, and the user's transaction may already hold one of them. So
   * the move gives up after `moveLimitMs`.
   */
  async #moveOut(database: StepsOf['database'], occurrence: string, job: string): Promise<boolean> {
    const text = `SELECT ${this.#schema}.move_step($1::text::uuid, $2::text::uuid) AS is_written`
    // If the move fails, the completion uses a step by core's rules, which locks the head.
    const moved = database.query(text, [occurrence, job]).then(isWritten, () => false)
    return await within(moveLimitMs, moved, () => false)
  }

  async #inSavepoint<T>(
    body: (session: Session, steps: StepRunner, database: StepsOf['database']) => Promise<T>,
  ): Promise<T> {
    const { database, steps } = await this.#opened()
    try {
      return await this.#session.inTurn(async () => {
        await this.#session.query('SAVEPOINT jobistemer')
        let answer: T
        try {
          answer = await body(await this.#inSameTransaction(), steps, database)
        } catch (error) {
          // Ignores an error of the rollback: the caller receives the error of the failed step.
          await this.#session.query('ROLLBACK TO SAVEPOINT jobistemer').catch(() => {})
          throw error
        }
        await this.#session.query('RELEASE SAVEPOINT jobistemer')
        return answer
      })
    } catch (error) {
      throw isNoTransaction(error) ? noTransaction() : database.errorOf(error)
    }
  }

  /**
   * Returns a session whose writes fail if the user's transaction has ended.
   *
   * If a caller does not await a call, the caller may end the transaction during the call. Without the check, the next
   * write of the call would then run in another transaction.
   */
  async #inSameTransaction(): Promise<Session> {
    const [row] = await this.#session.query('SELECT pg_current_xact_id()::text AS id')
    const id = String(row?.id)
    return {
      query: async (text, values) => {
        if (text !== this.#write && text !== this.#complete) return await this.#session.query(text, values)
        const given = values ?? []
        const isSame = ` WHERE pg_current_xact_id_if_assigned()::text = $${given.length + 1}::text`
        const rows = await this.#session.query(text + isSame, [...given, id])
        if (rows.length === 0) throw noTransaction()
        return rows
      },
    }
  }

  /** Sends a notification, which all listening storages receive after the commit. */
  async notify(kinds: ReadonlySet<WakeUp['kind']>): Promise<void> {
    if (this.#channel === null) return
    const text = ['transaction', ...kinds].join(' ')
    await this.#session.inTurn(async () => {
      await this.#session.query('SELECT pg_notify($1::text, $2::text)::text', [this.#channel, text])
    })
  }

  /**
   * Makes the commit of the user's transaction fail with an error. For this purpose, inserts a row whose foreign key
   * refers to no row. PostgreSQL checks the foreign key only at the commit.
   *
   * A statement that fails at once would not be enough: COMMIT would then roll back without an error. The table has no
   * primary key, so transactions do not wait for each other.
   */
  async forbidCommit(): Promise<void> {
    await this.#session.inTurn(async () => {
      // Ignores an error of this statement: if the transaction is broken, the next statement fails too, and its error
      // reaches the caller.
      await this.#session.query(`SET CONSTRAINTS ${this.#schema}.${refusal} DEFERRED`).catch(() => {})
      await this.#session.query(`INSERT INTO ${this.#schema}.no_commit VALUES (1)`)
    })
  }
}

function noTransaction(): JobistemerError {
  const message = 'No transaction is open on the connection that transaction is, or it has ended meanwhile.'
  const remedy = 'Begin one, and await this call before its end.'
  return storageFailure('INVALID_TRANSACTION', ['transaction', undefined], message, remedy)
}

function isWritten([row]: readonly Row[]): boolean {
  return isTrue(row?.is_written)
}
