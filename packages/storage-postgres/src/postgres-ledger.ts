import type { AsyncLedger, HistoryRemover, Storage } from '@jobistemer/core/storage'
import { StepTooLarge, storageFromLedger } from '@jobistemer/core/storage'
import { Database } from './database.ts'
import { DueSearch } from './due-search.ts'
import { get } from './get-records.ts'
import { LedgerWithin } from './ledger-within.ts'
import { heartbeat } from './node-table.ts'
import { openSchema } from './open-schema.ts'
import { type PostgresStorageOptions, type ReadOptions, readOptions } from './options.ts'
import { isContention, isSchemaGone } from './postgres-errors.ts'
import { listJobs } from './query-jobs.ts'
import { listOccurrences } from './query-occurrences.ts'
import { QuickSteps } from './quick-steps.ts'
import { forget, removeHistory } from './remove-history.ts'
import { StepRunner } from './run-step.ts'
import { canListen, isInProcess, keepingOf, openSource } from './source.ts'
import { numberOf, quoteName } from './sql.ts'
import { sessionOf } from './transaction-session.ts'
import { channelOf, WakeUps } from './wake-ups.ts'

/**
 * Maximum number of items per call. Larger batches hardly reduce the cost per item. Two calls of half the size take
 * less time, because the server processes them at the same time.
 */
const maxBatch = 500

/**
 * If at least this number of ended runs wait for storing, a node makes one more concurrent call of `settle`. The server
 * runs this call in a separate process, at the same time as other calls. With this number of items, the fixed cost of
 * the further call is small in comparison.
 */
const worthwhileBatch = 100

/**
 * Maximum number of tries of a call that conflicts with other transactions. Steps repeat their own conflicts. A read
 * conflicts only if transactions are serializable by default.
 */
const mostTries = 3

type Ledger = Required<AsyncLedger>

/** Implements core's ledger on a schema. Each call is one transaction or one conditional statement. */
class PostgresLedger implements AsyncLedger, HistoryRemover {
  readonly kind = 'async'
  readonly unit = 'call'
  readonly opener = 'postgresStorage()'
  readonly keepsObjects = false
  readonly capabilities: Ledger['capabilities']
  readonly history: HistoryRemover = this
  readonly subscribe?: Ledger['subscribe']
  readonly notify?: Ledger['notify']
  readonly within?: (transaction: unknown) => LedgerWithin
  readonly #options: ReadOptions
  readonly #schema: string
  readonly #wakeUps: WakeUps
  #connecting: Promise<Opened> | null = null
  /** The check of the schema, in progress or passed; `null` before the first call and after a failure. */
  #checking: Promise<void> | null = null

  constructor(options: ReadOptions) {
    const hasConnections = !('client' in options.source)
    this.capabilities = {
      maxBatch,
      ...(hasConnections && { worthwhileBatch }),
      ...keepingOf(options),
      findsDueJobs: true,
      // A step can end an occurrence and take the next one. If such a step were repeated after its commit, it would not know
      // which occurrence it has taken. But this storage never repeats a commit whose outcome is unknown, so `takesNext` is
      // possible.
      takesNext: true,
    }
    this.#options = options
    this.#schema = quoteName(options.schema)
    const wakeUps = new WakeUps(async () => (await this.#opened()).database, options.schema, options.logger)
    this.#wakeUps = wakeUps
    // A database in this process, such as PGlite, has only one connection. A user's transaction would occupy this connection,
    // so the storage offers no `within`.
    if (!isInProcess(options)) this.within = (transaction) => this.#within(transaction)
    if (!canListen(options)) return
    this.subscribe = (listener) => wakeUps.subscribe(listener)
    this.notify = (kinds) => wakeUps.notify(kinds)
  }

  #within(transaction: unknown): LedgerWithin {
    const { source, schema } = this.#options
    const isOwn = 'client' in source && source.client === transaction
    return new LedgerWithin(sessionOf(isOwn ? null : transaction), {
      schema: this.#schema,
      opened: () => this.#opened(),
      channel: this.notify === undefined ? null : channelOf(schema),
    })
  }

  readonly run: Ledger['run'] = (step) => this.#call(({ steps }) => steps.run(step))
  readonly quickCreates: Ledger['quickCreates'] = (items, request) =>
    this.#call(({ quick }) => quick.creates(items, request))

  readonly quickSettles: Ledger['quickSettles'] = (items, now) => this.#call(({ quick }) => quick.settles(items, now))
  readonly due: Ledger['due'] = (query, page) => this.#call(({ search }) => search.due(query, page))
  readonly nextDueAt: Ledger['nextDueAt'] = (query) => this.#call(({ search }) => search.nextDueAt(query))
  readonly cancelRequested: Ledger['cancelRequested'] = (owner) =>
    this.#call(({ search }) => search.cancelRequested(owner))

  readonly stranded: Ledger['stranded'] = () => this.#call(({ search }) => search.stranded())
  readonly get: Ledger['get'] = (request) => this.#runOn(get, request)
  readonly listJobs: Ledger['listJobs'] = (query) => this.#runOn(listJobs, query)
  readonly listOccurrences: Ledger['listOccurrences'] = (query) => this.#runOn(listOccurrences, query)
  readonly heartbeat: Ledger['heartbeat'] = (request) => this.#runOn(heartbeat, request)
  readonly removeHistory: HistoryRemover['removeHistory'] = (removal) => this.#runOn(removeHistory, removal)
  readonly forget: HistoryRemover['forget'] = (jobId, before) =>
    this.#call(({ database }) => forget(database, this.#schema, jobId, before))

  readonly serverTime: Ledger['serverTime'] = async () => {
    const text = 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now'
    const [row] = await this.#call(({ database }) => database.query(text))
    return numberOf(row?.now)
  }

  async close(): Promise<void> {
    await this.#wakeUps.close()
    const opened = await this.#connecting?.catch(() => null)
    await opened?.database.close()
  }

  #runOn<Request, Answer>(
    work: (database: Database, schema: string, request: Request) => Promise<Answer>,
    request: Request,
  ): Promise<Answer> {
    return this.#call(({ database }) => work(database, this.#schema, request))
  }

  async #call<T>(call: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = await this.#opened()
    for (let tries = 1; ; tries++) {
      try {
        return await call(opened)
      } catch (error) {
        if (isContention(error) && tries < mostTries) continue
        // The schema was dropped, so the next call checks and creates the schema again.
        if (isSchemaGone(error)) this.#checking = null
        throw error instanceof StepTooLarge ? error : opened.database.errorOf(error)
      }
    }
  }

  async #opened(): Promise<Opened> {
    this.#connecting ??= this.#connect()
    const connecting = this.#connecting
    this.#checking ??= connecting.then((opened) => this.#check(opened))
    const checking = this.#checking
    try {
      await checking
    } catch (error) {
      // The next call checks the schema again, because the cause of the failure may have ended.
      if (this.#checking === checking) this.#checking = null
      throw error
    }
    return await connecting
  }

  async #connect(): Promise<Opened> {
    const source = await openSource(this.#options).catch((error: unknown) => {
      this.#connecting = null
      throw error
    })
    const database = new Database(source, this.#options.commandTimeoutMs)
    return {
      database,
      steps: new StepRunner(database, this.#schema),
      quick: new QuickSteps(database, this.#schema),
      search: new DueSearch(database, this.#schema),
    }
  }

  async #check({ database }: Opened): Promise<void> {
    const { schema: name, migrate } = this.#options
    try {
      await database.assertReadable()
      await openSchema(database, { name, migrate })
      await database.probe()
    } catch (error) {
      throw database.errorOf(error)
    }
  }
}

interface Opened {
  readonly database: Database
  readonly steps: StepRunner
  readonly quick: QuickSteps
  readonly search: DueSearch
}

/**
 * Storage in a schema of a PostgreSQL database, for any number of nodes.
 *
 * ```ts
 * const storage = postgresStorage({ pool: new Pool({ connectionString }) })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`. Calls reject with
 *   `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_FULL`, `STORAGE_UNREACHABLE`, `STORAGE_BUSY`,
 *   `STORAGE_CLOSED`, `STORAGE_REFUSED`, `STORAGE_FAILED`.
 */
export function postgresStorage(options: PostgresStorageOptions): Storage {
  return storageFromLedger(new PostgresLedger(readOptions(options)))
}
