import type { NamedTables } from './table-names.ts'

/** Transactions with noted moves, since the last search for due jobs, after which the next transaction applies some. */
const waitingTransactions = 64

/** Transactions whose moves are applied together: enough that jobs repeat among them, and few enough to be quick. */
const atOnce = 8

/**
 * The index of jobs by their next instants, `heads.due_at`. Moving a job in it costs about a quarter of an ordinary slot. So
 * a transaction only notes in one row which jobs its slots have moved, and a search for due jobs applies these moves first.
 * All other steps set `due_at` together with `next_at`.
 */
export class DueIndex {
  readonly #statements: ReturnType<typeof prepareStatements>
  /** Rows of the jobs that the step under way has moved. */
  #moved: number[] = []

  constructor(database: NamedTables) {
    this.#statements = prepareStatements(database)
  }

  startStep(): void {
    this.#moved = []
  }

  noteMove(job: number): void {
    this.#moved.push(job)
  }

  endStep(): void {
    if (this.#moved.length === 0) return
    const last = Number(this.#statements.note.run(JSON.stringify(this.#moved)).lastInsertRowid)
    const first = this.#statements.first.get() as number
    if (last - first >= waitingTransactions) this.#moveUpTo(first + atOnce - 1)
  }

  /** Whether jobs lie where they were. */
  get isBehind(): boolean {
    return this.#statements.first.get() !== null
  }

  /** Moves some of the jobs that lie where they were. For write steps only. */
  catchUp(): void {
    this.#moveUpTo((this.#statements.first.get() as number) + atOnce - 1)
  }

  #moveUpTo(last: number): void {
    this.#statements.move.run(last)
    this.#statements.forget.run(last)
  }
}

function prepareStatements(database: NamedTables) {
  return {
    note: database.prepare('INSERT INTO {moved_jobs} VALUES (NULL, ?)'),
    first: database.pluck('SELECT min(row) FROM {moved_jobs}'),
    move: database.prepare(
      `UPDATE {heads} SET due_at = next_at
         WHERE row IN (SELECT value FROM {moved_jobs} m, json_each(m.jobs) WHERE m.row <= ?) AND due_at IS NOT next_at`,
    ),
    forget: database.prepare('DELETE FROM {moved_jobs} WHERE row <= ?'),
  }
}
