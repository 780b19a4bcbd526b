import type { OccurrenceId } from '../../ids.ts'
import type { TaskRunRecord } from '../../storage/occurrence-record.ts'
import { handlerKeyOf } from '../../job/job-document.ts'
import type { Capacity } from './capacity.ts'
import type { Children } from './isolation/children.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'
import { Execution, type ExecutionOwner } from './execution.ts'
import { NextOccurrenceTaker } from './next-occurrence-taker.ts'
import type { Relay } from './relay.ts'
import { Settler } from './settler.ts'
import type { StartedOccurrence } from './started-occurrence.ts'
import { DelayedReports } from './delayed-reports.ts'

/** The occurrences that are this node's. Each runs as soon as it has a place. */
export class ExecutionPool implements ExecutionOwner {
  readonly engine: EngineContext
  readonly settler: Settler
  readonly children: Children
  readonly nextTaker: NextOccurrenceTaker
  readonly delayedReports: DelayedReports
  readonly #capacity: Capacity
  readonly #executions = new RenewedMap<OccurrenceId, Execution>()
  /** Still running in the storage, and nobody here runs them. */
  readonly #left = new Set<OccurrenceId>()
  /** Calls of `onComplete` that have not ended, and occurrences that were taken and do not run yet. */
  #hooks = 0
  /** An `onComplete` is being called now, and what it calls at once. */
  #isCallingBack = false
  /** That one has asked for a shutdown. */
  #isToldToStop = false
  #whenEmpty: (() => void)[] = []
  #waitsUntil: number | null = null
  #relay: Relay | null = null
  #isDraining = false
  #isIsolated = false

  constructor(engine: EngineContext, capacity: Capacity, children: Children) {
    this.engine = engine
    this.children = children
    this.settler = new Settler(engine)
    this.#capacity = capacity
    this.delayedReports = new DelayedReports(engine)
    this.nextTaker = new NextOccurrenceTaker(engine, capacity)
  }

  /** Who sees to it that backfills go on. */
  relayedBy(relay: Relay): void {
    this.#relay = relay
  }

  get relay(): Relay | null {
    return this.#relay
  }

  get size(): number {
    return this.#executions.size
  }

  /** Without those that wait for a place: they have not begun. */
  get begun(): number {
    return this.#executions.size - this.#capacity.waitingCount
  }

  /** Nothing that only waits for a retry is kept for longer than that, an instant of the monotonic clock. */
  keepUntil(monotonic: number): void {
    this.#waitsUntil = monotonic
  }

  /** The names of the jobs that run. */
  *jobNames(): Generator<string> {
    for (const { job } of this.#executions.values()) yield job.job.name
  }

  get(id: OccurrenceId): Execution | undefined {
    return this.#executions.get(id)
  }

  /** Whether this node runs it, or has run it and left it to the reaper. */
  knows(id: OccurrenceId): boolean {
    return this.#executions.has(id) || this.#left.has(id)
  }

  run(options: {
    readonly job: RegisteredJob
    readonly plan: JobPlan
    readonly occurrence: StartedOccurrence
    readonly runs: readonly TaskRunRecord[]
    readonly fresh: boolean
    /** Its claim stands for the attempts, and nothing else is stored of them. */
    readonly isUnreported?: boolean
  }): void {
    const { id } = options.occurrence
    this.#left.delete(id)
    // It was taken from this node, and came back to it before the node had noticed.
    this.#executions.get(id)?.lose()
    const execution = new Execution(this, options)
    this.#executions.set(id, execution)
    if (this.#waitsUntil !== null) execution.waitAtMostUntil(this.#waitsUntil)
    if (options.isUnreported === true) this.delayedReports.add(execution)
    // A request was on its way when the shutdown began: it is handed back untouched.
    if (this.#isDraining) execution.shutDown()
    else {
      if (this.#capacity.hasBacklog) {
        this.#capacity.turns.begun(handlerKeyOf(options.job.job), options.occurrence.details.priority ?? 0)
      }
      this.#capacity.enter(execution)
    }
    if (this.#isIsolated) execution.isolate()
  }

  /** Nobody hears this node: runs that are not to go on then are told to stop. */
  isolated(): void {
    this.#isIsolated = true
    for (const execution of [...this.#executions.values()]) execution.isolate()
  }

  /** This node is heard again. What was taken from it meanwhile would go on until it says something: so it says it now. */
  rejoined(): void {
    this.#isIsolated = false
    for (const execution of this.#executions.values()) if (execution.isOpen) execution.say()
  }

  closing(execution: Execution): void {
    this.#capacity.leave(execution, execution.workingMs)
    // What is known to wait in the storage is taken before this end is told: the storage works on one while the node works on
    // the other.
    this.#capacity.offerRoom()
  }

  leftToReaper(execution: Execution): void {
    this.#left.add(execution.occurrence.id)
  }

  closed(execution: Execution): void {
    this.delayedReports.delete(execution)
    const { id } = execution.occurrence
    // It may have come back to this node meanwhile: then another execution is here under its id.
    if (this.#executions.get(id) === execution) this.#executions.delete(id)
    this.#lookWhetherEmpty()
    this.#capacity.leave(execution, null)
    // Once more: the end may have woken what is to be taken.
    this.#capacity.offerRoom()
  }

  callingBack(call: () => Promise<void>): void {
    const outer = { isCallingBack: this.#isCallingBack, isToldToStop: this.#isToldToStop }
    this.#isCallingBack = true
    this.#isToldToStop = false
    const hook = call()
    // It may wait for the shutdown: each would wait for the other.
    if (!this.#isToldToStop) this.reporting(hook)
    this.#isCallingBack = outer.isCallingBack
    this.#isToldToStop = outer.isToldToStop
  }

  /** Somebody asks for a shutdown: a hook that does is not waited for. */
  shutdownAsked(): void {
    if (this.#isCallingBack) this.#isToldToStop = true
  }

  reporting(hook: Promise<void>): void {
    this.#hooks++
    void hook.finally(() => {
      this.#hooks--
      this.#lookWhetherEmpty()
    })
  }

  #lookWhetherEmpty(): void {
    if (this.#executions.size > 0 || this.#hooks > 0) return
    const waiting = this.#whenEmpty
    this.#whenEmpty = []
    for (const resolve of waiting) resolve()
  }

  woken(): void {
    this.#capacity.workAppeared()
  }

  /**
   * Nothing begins any more: what has not begun is handed back, also what comes later. What runs may go on for so long.
   */
  drain(graceMs: number): void {
    this.shutdownAsked()
    this.#isDraining = true
    this.#capacity.stop()
    const until = this.engine.clock.monotonic() + graceMs
    for (const execution of [...this.#executions.values()]) execution.drain(until)
  }

  /** Tells everything to stop. */
  abort(): void {
    for (const execution of [...this.#executions.values()]) execution.shutDown()
  }

  /** Nobody waits any longer for what runs. */
  abandon(): void {
    for (const execution of this.#executions.values()) execution.abandon()
  }

  /** Resolves when nothing runs any more, and the hooks that were told of it have ended. */
  async emptied(): Promise<void> {
    // The last occurrence closes before its hook is called.
    while (this.#executions.size > 0 || this.#hooks > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty.push(resolve)
      })
    }
  }
}
