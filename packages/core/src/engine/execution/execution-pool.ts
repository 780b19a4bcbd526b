import type { OccurrenceId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { SettleAnswer, SettleItem } from '../../storage/storage.ts'
import { handlerKeyOf } from '../../job/job-document.ts'
import type { Capacity } from './capacity.ts'
import type { Children } from './isolation/children.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Alarm } from '../runtime/agenda.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'
import { Batcher } from '../storage-access/batcher.ts'
import { lookMs } from '../../tuning.ts'
import { killedGraceMs } from './tuning.ts'
import { type BegunRun, Execution, type ExecutionOwner } from './execution.ts'
import { NextOccurrenceTaker, type Relay } from './next-runs.ts'

/** Supplies the settle items of one running occurrence. */
export type Settling = Pick<Execution, 'takeItem' | 'settled' | 'refused'>

/** The parts of a node that know its jobs and run their occurrences. */
export interface NodeParts {
  readonly registry: JobRegistry
  readonly capacity: Capacity
  readonly pool: ExecutionPool
}

/** The executions of this node, from claim or creation to the acknowledged end. An execution starts when it gets a permit. */
export class ExecutionPool implements ExecutionOwner {
  readonly engine: EngineContext
  readonly settler: Batcher<Settling, SettleItem, SettleAnswer>
  readonly children: Children
  readonly nextTaker: NextOccurrenceTaker
  readonly delayedReports: DelayedReports
  /**
   * Occurrences whose end the storage has rejected, so that this node has left them to the reaper. In the storage, this node
   * still owns such an occurrence, under the token in this map. Without this map, the claimer would take the occurrence for a
   * claim whose answer was lost.
   */
  readonly left: Map<OccurrenceId, number> = new Map()
  readonly capacity: Capacity
  readonly #executions = new RenewedMap<OccurrenceId, Execution>()
  /** Number of promises of {@link reporting} that are not settled. A shutdown waits for them. */
  #hooks = 0
  /** Number of requests to shut down. */
  #shutdownRequests = 0
  readonly #whenEmpty: (() => void)[] = []
  /**
   * Monotonic instant up to which an execution may wait for retries; `null`: no limit. An execution that only waits for later
   * retries hands its occurrence back at once. Applies to executions that are added after this member was set.
   */
  waitsUntil: number | null = null
  /** Creates the next run of a backfill when a run ends; `null`: this node continues no backfills. */
  relay: Relay | null = null
  #isDraining = false
  /** Job name of the execution that has closed last since the last call of {@link jobNames}. */
  #lastClosed: string | null = null
  /** Whether this node is isolated: the storage has not accepted its heartbeats for 80 % of `deadAfter`. */
  #isIsolated = false

  constructor(engine: EngineContext, capacity: Capacity, children: Children) {
    this.engine = engine
    this.children = children
    this.settler = createSettler(engine)
    this.capacity = capacity
    this.delayedReports = new DelayedReports(engine)
    this.nextTaker = new NextOccurrenceTaker(engine, capacity)
  }

  get size(): number {
    return this.#executions.size
  }

  /** Number of executions that do not wait for a permit. Includes executions that only settle their end. */
  get begun(): number {
    return this.#executions.size - this.capacity.waitingCount
  }

  /**
   * Yields the job name of each execution, and of the execution that has closed last since the previous call: a handler that
   * blocked the event loop may have ended already.
   */
  *jobNames(): Generator<string> {
    for (const { job } of this.#executions.values()) yield job.job.name
    if (this.#lastClosed !== null) yield this.#lastClosed
    this.#lastClosed = null
  }

  get(id: OccurrenceId): Execution | undefined {
    return this.#executions.get(id)
  }

  /** Returns whether this node runs the occurrence under this token, or has left its end to the reaper. */
  knows({ id, token }: Pick<OccurrenceRecord, 'id' | 'token'>): boolean {
    return this.#executions.get(id)?.occurrence.token === token || this.left.get(id) === token
  }

  /** Adds an execution, which starts when it gets a permit. The storage already names this node as the owner. */
  run(options: BegunRun): void {
    const { id } = options.occurrence
    this.left.delete(id)
    // If this node still has an earlier execution of the occurrence, this node has lost that execution without
    // noticing. A peer has handed the occurrence back, and this node has claimed the occurrence again.
    this.#executions.get(id)?.lose()
    const execution = new Execution(this, options, this.waitsUntil)
    this.#executions.set(id, execution)
    if (options.isUnreported === true) this.delayedReports.add(execution)
    // The storage call that took this occurrence was in progress when the shutdown began. No handler of the occurrence is
    // called.
    if (this.#isDraining) execution.shutDown()
    else if (this.#isIsolated) execution.isolate()
    if (!execution.isOpen) return
    if (this.capacity.hasBacklog) this.capacity.turns.begun(handlerKeyOf(options.job.job), options.occurrence)
    this.capacity.enter(execution)
  }

  /**
   * Called when the node is isolated: the storage accepts no heartbeats of this node. Aborts the runs of jobs with
   * `whileIsolated: 'abort'`. If such a run is added before {@link rejoined}, it is aborted too.
   */
  isolated(): void {
    this.#isIsolated = true
    for (const execution of [...this.#executions.values()]) execution.isolate()
  }

  /**
   * Called when the storage accepts heartbeats of this node again. Every open execution settles now, and so learns whether a
   * peer has taken over its run.
   */
  rejoined(): void {
    this.#isIsolated = false
    for (const execution of this.#executions.values()) if (execution.isOpen) execution.say()
  }

  closed(execution: Execution): void {
    this.#lastClosed = execution.job.job.name
    this.delayedReports.delete(execution)
    const { id } = execution.occurrence
    // If this node has claimed the occurrence again, the map has the new execution under the same id.
    if (this.#executions.get(id) === execution) this.#executions.delete(id)
    this.#lookWhetherEmpty()
    this.capacity.leave(execution, null)
    // The end of the occurrence may have woken a queued occurrence after the execution had freed its permit. So this method tells
    // the claimer again that a permit may be free.
    this.capacity.offerRoom()
  }

  callingBack(call: () => Promise<void>): void {
    const before = this.#shutdownRequests
    const hook = call()
    // The shutdown does not wait for a hook that has requested it, because the hook may wait for the shutdown. The number shows
    // only a request that the hook made before its first `await`.
    if (this.#shutdownRequests === before) this.reporting(hook)
  }

  /** Called when a shutdown is requested. If a hook requests the shutdown, the shutdown does not wait for that hook. */
  shutdownAsked(): void {
    this.#shutdownRequests++
  }

  reporting(hook: Promise<void>): void {
    this.#hooks++
    void hook.finally(() => {
      this.#hooks--
      this.#lookWhetherEmpty()
    })
  }

  get #isEmpty(): boolean {
    return this.#executions.size === 0 && this.#hooks === 0
  }

  #lookWhetherEmpty(): void {
    if (!this.#isEmpty) return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }

  /**
   * Starts no further execution, and hands back the occurrences of executions that have not begun. Executions that have begun
   * may continue for `graceMs`.
   */
  drain(graceMs: number): void {
    this.shutdownAsked()
    this.#isDraining = true
    this.capacity.stop()
    const until = this.engine.clock.monotonic() + graceMs
    for (const execution of [...this.#executions.values()]) execution.drain(until)
  }

  /** Called when the shutdown no longer waits for the executions. Ends their traces with the outcome `abandoned`. */
  abandon(): void {
    for (const { trace } of this.#executions.values()) trace?.ended({ outcome: 'abandoned', reason: 'shutdown' })
  }

  /**
   * Ends the executions of a node that shuts down. First lets them end for `graceMs`. Then aborts their handlers and waits
   * for `abortGraceMs`. Then kills their children and waits for `killGraceMs`. Resolves when no execution is left, or after the
   * last wait. `quiet`: resolves when the node begins no further execution.
   */
  async letEnd(
    quiet: Promise<unknown>,
    graceMs: number,
    abortGraceMs: number,
    killGraceMs: number = killedGraceMs,
  ): Promise<void> {
    const { agenda } = this.engine
    const ended = quiet.then(() => this.emptied())
    if (await agenda.endsWithin(ended, graceMs)) return
    for (const execution of [...this.#executions.values()]) execution.shutDown()
    if (await agenda.endsWithin(ended, abortGraceMs)) return
    if (this.children.size === 0) return
    // Kill the children that have not ended. After a child has ended, the node can hand its occurrence back.
    this.children.kill()
    await agenda.endsWithin(ended, killGraceMs)
  }

  /** Resolves when there are no executions and all hooks have ended. */
  async emptied(): Promise<void> {
    // An execution leaves `#executions` before its hook is called. So a hook may still run although `#executions` is
    // empty. The loop waits until all executions and all hooks have ended.
    while (!this.#isEmpty) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }
}

/** Batches the settle items of executions. An execution has at most one item in progress. */
export function createSettler(engine: EngineContext): Batcher<Settling, SettleItem, SettleAnswer> {
  return new Batcher(engine, {
    operation: 'settle',
    worthwhile: engine.worthwhileBatch,
    make: (settling, now) => settling.takeItem(now),
    send: (storage, items, now) => storage.settle({ now, items }),
    answered: (settling, item, answer) => settling.settled(item, answer),
    rejected: (settling, _item, error) => settling.refused(error),
    failed: (error) => failInBackground(engine, 'settle', error),
  })
}

/**
 * Executions with attempts, progress or log lines that the storage does not have yet. After 1 s without another settle, the
 * execution settles this state.
 */
class DelayedReports implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: EngineContext
  /**
   * Executions that have something to report to the storage, each with the monotonic instant at which it was added to this map.
   * The first entry is the oldest entry.
   */
  readonly #since = new RenewedMap<Execution, number>()

  constructor(engine: EngineContext) {
    this.#engine = engine
  }

  /** Adds an execution with a delayed report. A second call does not postpone the report. */
  add(reporter: Execution): void {
    if (this.#since.get(reporter) !== undefined) return
    this.#since.set(reporter, this.#engine.clock.monotonic())
    if (this.heapIndex < 0) this.#engine.agenda.setAlarm(this, lookMs)
  }

  /** Cancels the delayed report of an execution that has reported everything or has ended. */
  delete(reporter: Execution): void {
    if (this.#since.size > 0) this.#since.delete(reporter)
  }

  ring(): void {
    const now = this.#engine.clock.monotonic()
    for (let oldest = this.#since.first(); oldest !== undefined; oldest = this.#since.first()) {
      const [reporter, since] = oldest
      const leftMs = since + lookMs - now
      // If at most 5 % of this report's delay is left, send the report now, without a further alarm.
      if (leftMs > lookMs / 20) {
        this.#engine.agenda.setAlarm(this, leftMs)
        return
      }
      this.#since.delete(reporter)
      reporter.reportNow()
    }
  }
}
