import type { OccurrenceId } from '../../ids.ts'
import type { OccurrenceAddress, TaskRunRecord } from '../../storage/occurrence-record.ts'
import type { Alarm } from '../loop/agenda.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { Execution, type ExecutionOwner } from '../run/execution.ts'
import type { JobPlan } from '../jobs/job-plan.ts'
import { Pace } from './pace.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import { Settler } from '../run/settler.ts'
import type { StartedOccurrence } from '../run/started-occurrence.ts'

/** Who is told what becomes of places. */
interface PoolListener {
  /** There is room for one more. */
  readonly placeFreed: () => void
  /** An occurrence has ended in the storage too. */
  readonly ended: () => void
  /** One that was handed back, or that the end of another woke, waits for a free node now. */
  readonly woken: (address: OccurrenceAddress) => void
}

/** What was taken ahead and has found no place for so long is handed back. */
const longestWaitMs = 100

/** An occurrence that could not wait so long is not taken ahead. */
const shortestTimeoutMs = 10 * longestWaitMs

/**
 * The occurrences that this node runs: never more than `limit`. What does not fit waits in the storage, but for a few
 * that are this node's already and begin in a moment, as long as handlers are quick, see decision 0007.
 */
export class ExecutionPool implements ExecutionOwner, Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly engine: EngineContext
  readonly settler: Settler
  readonly #limit: number
  readonly #prefetch: number
  readonly #pace: Pace
  readonly #on: PoolListener
  readonly #executions = new Map<OccurrenceId, Execution>()
  /** Those of them that need no place any more. */
  readonly #closing = new Set<Execution>()
  /** Those that have no place yet, and since when; oldest first. */
  readonly #waiting = new Map<Execution, number>()
  #filling = false
  #reserved = 0
  /** Calls of `onComplete` that have not ended. */
  #hooks = 0
  #whenEmpty: (() => void) | undefined
  #shuttingDown = false

  constructor(engine: EngineContext, options: PoolListener & { readonly limit: number; readonly prefetch: number }) {
    this.engine = engine
    this.settler = new Settler(engine)
    this.#limit = options.limit
    this.#prefetch = options.prefetch
    this.#pace = new Pace(options.limit)
    this.#on = options
  }

  get size(): number {
    return this.#executions.size
  }

  /** Without those that wait for a place: they have not begun. */
  get begun(): number {
    return this.#executions.size - this.#waiting.size
  }

  /** Places that nothing holds and nothing is meant for. */
  get free(): number {
    return this.#limit - this.#placesHeld - this.#reserved
  }

  get #placesHeld(): number {
    return this.begun - this.#closing.size
  }

  /**
   * How many slots that are due may be started in the storage, up to one of such a plan: as many as there are places,
   * and a few ahead where it can wait for a place that will soon be free.
   */
  roomFor({ settings }: JobPlan): number {
    const canWait = settings.executionTimeoutMs >= shortestTimeoutMs
    const ahead = canWait ? Math.min(this.#prefetch, this.#pace.soonStarted) : 0
    return Math.max(0, this.free + ahead - this.#waiting.size)
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
    const hasPlace = this.#placesHeld < this.#limit
    this.#executions.set(id, execution)
    // A request was on its way when the shutdown began: it is handed back untouched.
    if (this.#shuttingDown) execution.shutDown()
    else if (hasPlace) execution.start()
    else {
      if (this.#waiting.size === 0) this.engine.agenda.setAlarm(this, longestWaitMs)
      this.#waiting.set(execution, this.engine.clock.monotonic())
    }
  }

  closing(execution: Execution): void {
    this.#closing.add(execution)
    if (this.#waiting.delete(execution)) return
    this.#pace.held(execution.runningMs)
    this.#placeFreed()
  }

  closed(execution: Execution): void {
    const hadPlace = !this.#closing.delete(execution) && !this.#waiting.delete(execution)
    this.#executions.delete(execution.occurrence.id)
    this.#lookWhetherEmpty()
    if (hadPlace) this.#placeFreed()
    this.#on.ended()
  }

  #placeFreed(): void {
    this.#fill()
    this.#on.placeFreed()
  }

  /** Starts what waits for a place. */
  #fill(): void {
    // At a shutdown nothing begins any more. A handler that ends at once makes room while it is being started.
    if (this.#shuttingDown || this.#filling || this.#waiting.size === 0) return
    this.#filling = true
    for (const execution of this.#waiting.keys()) {
      if (this.#placesHeld >= this.#limit) break
      this.#waiting.delete(execution)
      execution.start()
    }
    this.#filling = false
    if (this.#waiting.size === 0) this.engine.agenda.cancelAlarm(this)
  }

  /** Some handler takes longer than those before it: what waits behind it is left to nodes that have a place. */
  ring(): void {
    const now = this.engine.clock.monotonic()
    for (const [execution, since] of [...this.#waiting]) {
      const waitedMs = now - since
      if (waitedMs < longestWaitMs) {
        this.engine.agenda.setAlarm(this, longestWaitMs - waitedMs)
        return
      }
      this.#pace.stalled(waitedMs)
      execution.handBack()
    }
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
