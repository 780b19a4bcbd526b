import type { SyncLedger } from '@jobistemer/core/storage'
import { QuickSteps } from './quick-steps.ts'
import { SqliteJob } from './sqlite-job.ts'
import { type StoredOccurrence, Tables } from './tables.ts'
import type { NamedTables } from './table-names.ts'

type Ledger = Required<SyncLedger<StoredOccurrence>>

/** The methods that core's steps call, for a connection of the storage or of the user. */
export class TableSteps {
  readonly tables: Tables
  readonly #quickSteps: QuickSteps
  /** The instant of the step in progress. */
  now = 0

  constructor(database: NamedTables) {
    this.tables = new Tables(database)
    this.#quickSteps = new QuickSteps(this.tables)
  }

  readonly job = (id: Parameters<Ledger['job']>[0]): SqliteJob | undefined => {
    const head = this.tables.jobs.headOf(id)
    return head === undefined ? undefined : new SqliteJob(this.tables, head, this.now)
  }

  readonly quickCreate: Ledger['quickCreate'] = (item, owner) => this.#quickSteps.create(item, owner, this.now)
  readonly quickSettle: Ledger['quickSettle'] = (item) => this.#quickSteps.settle(item, this.now)
}
