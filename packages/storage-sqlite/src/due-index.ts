import type { NamedTables } from './schema.ts'

/**
 * Maximum number of transactions whose changes of next instants are only noted. If more transactions have notes, each
 * further transaction first applies the oldest notes to the index.
 */
const waitingTransactions = 64

/**
 * Number of transactions whose notes one step applies to the index. Eight transactions often note the same job more than once,
 * and the step then writes the job only once. A step of this size is short.
 */
const atOnce = 8

/**
 * The index of jobs by their next instants: the column `heads.due_at`. Writing `due_at` costs about a quarter of what
 * an ordinary slot costs. A transaction that creates slots therefore only notes the jobs in one row, and a search for
 * due jobs first applies all notes. All other steps set `due_at` together with `next_at`.
 */
export class DueIndex {
  readonly #statements: ReturnType<typeof prepareStatements>
  /** Row numbers of the jobs whose next instant the current step has changed without writing it to the index. */
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

  /** Notes the jobs of {@link noteMove}. Must be called at the end of each write step, before its commit. */
  endStep(): void {
    if (this.#moved.length === 0) return
    const last = Number(this.#statements.note.run(JSON.stringify(this.#moved)).lastInsertRowid)
    const first = this.#statements.first.get() as number
    if (last - first >= waitingTransactions) this.#moveUpTo(first + atOnce - 1)
  }

  /** Whether the index still contains old instants of some jobs. */
  get isBehind(): boolean {
    return this.#statements.first.get() !== null
  }

  /** Writes the next instants of some noted jobs to the index. Only write steps may call `catchUp`. */
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
