import type { OccurrenceId } from '../ids.ts'
import type { OccurrenceAddress, TaskRunRecord } from '../storage/occurrence-record.ts'
import type { EngineContext } from './engine-context.ts'
import { Execution, type ExecutionOwner } from './execution.ts'
import type { JobPlan } from './job-plan.ts'
import type { RegisteredJob } from './registered-job.ts'
import { Settler } from './settler.ts'
import type { StartedOccurrence } from './started-occurrence.ts'

/** Who is told what becomes of places. */
interface PoolListener {
  /** There is room for one more. */
  readonly placeFreed: () => void
  /** An occurrence has ended in the storage too. */
  readonly ended: () => void
  /** The end of one woke another, which waits for a free node now. */
  readonly woken: (address: OccurrenceAddress) => void
}

/** The occurrences that this node runs: never more than `limit`. What does not fit waits in the storage. */
export class ExecutionPool implements ExecutionOwner {
  readonly engine: EngineContext
  readonly settler: Settler
  readonly #limit: number
  readonly #on: PoolListener
  readonly #executions = new Map<OccurrenceId, Execution>()
  /** Those of them that need no place any more. */
  readonly #closing = new Set<Execution>()
  #reserved = 0
  /** Calls of `onComplete` that have not ended. */
  #hooks = 0
  #whenEmpty: (() => void) | undefined
  #shuttingDown = false

  constructor(engine: EngineContext, options: PoolListener & { readonly limit: number }) {
    this.engine = engine
    this.settler = new Settler(engine)
    this.#limit = options.limit
    this.#on = options
  }

  get size(): number {
    return this.#executions.size
  }

  get free(): number {
    return this.#limit - this.#executions.size + this.#closing.size - this.#reserved
  }

  get(id: OccurrenceId): Execution | undefined {
    return this.#executions.get(id)
  }

  /** Keeps places for occurrences that are being created or claimed. */
  reserve(count: number): void {
    this.#reserved += count
  }

  unreserve(count: number): void {
    this.#reserved -= count
  }

  run(options: {
    readonly job: RegisteredJob
    readonly plan: JobPlan
    readonly occurrence: StartedOccurrence
    readonly runs: readonly TaskRunRecord[]
    readonly fresh: boolean
  }): void {
    const { id } = options.occurrence
    // It was taken from this node, and came back to it before the node had noticed.
    this.#executions.get(id)?.lose()
    const execution = new Execution(this, options)
    this.#executions.set(id, execution)
    // A request was on its way when the shutdown began: it is handed back untouched.
    if (this.#shuttingDown) execution.shutDown()
    else execution.start()
  }

  closing(execution: Execution): void {
    this.#closing.add(execution)
    this.#on.placeFreed()
  }

  closed(execution: Execution): void {
    const hadPlace = !this.#closing.delete(execution)
    this.#executions.delete(execution.occurrence.id)
    this.#lookWhetherEmpty()
    if (hadPlace) this.#on.placeFreed()
    this.#on.ended()
  }

  reporting(hook: Promise<void>): void {
    this.#hooks++
    void hook.finally(() => {
      this.#hooks--
      this.#lookWhetherEmpty()
    })
  }

  #lookWhetherEmpty(): void {
    if (this.#executions.size === 0 && this.#hooks === 0) this.#whenEmpty?.()
  }

  woken(address: OccurrenceAddress): void {
    this.#on.woken(address)
  }

  /** Tells everything to stop, also what comes later. */
  shutDown(): void {
    this.#shuttingDown = true
    for (const execution of [...this.#executions.values()]) execution.shutDown()
  }

  /** Resolves when nothing runs any more, and the hooks that were told of it have ended. */
  async emptied(): Promise<void> {
    // The last occurrence closes before its hook is called.
    while (this.#executions.size > 0 || this.#hooks > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve
      })
    }
  }
}
