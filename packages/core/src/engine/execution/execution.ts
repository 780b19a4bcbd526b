import { JobistemerError } from '../../errors.ts'
import type { OccurrenceId } from '../../ids.ts'
import { parsePayload, type PayloadSchema } from '../../job/payload.ts'
import type { JsonValue } from '../../json.ts'
import {
  type OccurrenceRecord,
  type OccurrenceState,
  slotOf,
  type TaskRunRecord,
  type TraceContext,
} from '../../storage/occurrence-record.ts'
import { isHeldBy, orderAt } from '../../storage/rules.ts'
import { latestTraceOf, readTraceContext } from '../../tracing/trace-context.ts'
import type { RunTrace, Tracing } from '../../tracing/tracing.ts'
import type { SettleAnswer, SettleChange, SettleItem, StorageWithin } from '../../storage/storage.ts'
import type { Capacity, PermitHolder } from './capacity.ts'
import type { Children } from './isolation/children.ts'
import type { JobPlan, TaskPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { Alarm } from '../runtime/agenda.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { runUserCode } from '../runtime/own-context.ts'
import { type AbortReason, abortErrorOf, endsUnlogged, unreadableRun } from './abort-errors.ts'
import { alreadyCompleted, type Completion, Completions } from './completion.ts'
import { reportOf, type StartedOccurrence } from './execution-report.ts'
import { callHook, emitFinished, emitLost, emitReleased, emitStarted, logAborted } from './execution-events.ts'
import {
  type EventOf,
  executionTransitions,
  type StateOf,
  transition,
  finalChange,
  giveUpReason,
  type Halt,
} from './lifecycles.ts'
import { KeptLogs } from './kept-logs.ts'
import type { NextOccurrenceTaker, Relay } from './next-runs.ts'
import { RunningOccurrenceContext } from './task-context.ts'
import { type TaskOwner, TaskProgress } from './task-progress.ts'
import { endedByClaim, runsOfLeft, runsWithoutTask, shownRuns } from './task-run-records.ts'

/** The services and callbacks that an execution needs. {@link ExecutionPool} implements them. */
export interface ExecutionOwner {
  readonly engine: EngineContext
  readonly settler: { add(execution: Execution): void }
  readonly children: Children
  readonly nextTaker: NextOccurrenceTaker
  readonly relay: Relay | null
  /** The executions that settle, within 1 s, the attempts, progress and log lines that the storage does not have yet. */
  readonly delayedReports: { add(execution: Execution): void; delete(execution: Execution): void }
  /** Occurrences that this node has left to the reaper, see {@link Execution.refused}. */
  readonly left: Map<OccurrenceId, number>
  readonly capacity: Capacity
  /** Called when the execution has ended on this node: its occurrence was finished, handed back or lost. */
  closed(execution: Execution): void
  /** Adds a promise that a shutdown waits for: the start of a taken occurrence, or the report of a forced cancel. */
  reporting(starting: Promise<void>): void
  /**
   * Calls the hook `onComplete`. A shutdown waits for the hook, unless the synchronous part of the hook requested the
   * shutdown.
   */
  callingBack(hook: () => Promise<void>): void
}

/** An occurrence that this node owns, with all that its execution needs. */
export interface BegunRun {
  readonly job: RegisteredJob
  readonly plan: JobPlan
  readonly occurrence: StartedOccurrence
  /** The stored task runs. If the storage has none, the first task runs, which the stored claim stands for. */
  readonly runs: readonly TaskRunRecord[]
  /** True if the attempts in `runs` have just started and belong to this execution, false if they belong to an earlier owner. */
  readonly fresh: boolean
  /** Whether the storage has no attempts of the occurrence, so that the claim stands for the first attempts. Default false. */
  readonly isUnreported?: boolean
}

// All executions share this empty list, so that none allocates a list: a node may end tens of thousands of executions per
// second.
const noRuns: readonly TaskRunRecord[] = Object.freeze([])
const progressed: SettleChange = Object.freeze({ kind: 'progress' })

/**
 * Runs one occurrence on this node: starts its tasks, settles each step, and decides when the occurrence ends. Calls a handler
 * only after the storage has acknowledged the attempt.
 */
export class Execution implements Alarm, PermitHolder, TaskOwner {
  at: number = 0
  heapIndex: number = -1
  permit: PermitHolder['permit'] = 'none'
  readonly job: RegisteredJob
  occurrence: StartedOccurrence
  readonly #owner: ExecutionOwner
  readonly engine: EngineContext
  readonly children: Children
  readonly plan: JobPlan
  readonly #tasks: readonly TaskProgress[]
  /** Stored task runs whose tasks are not in the plan. */
  readonly #foreignRuns: readonly TaskRunRecord[]
  #sequence = 0
  /** Monotonic instant at which {@link start} was called; `null` while the execution waits for a permit. */
  #beganAt: number | null = null
  /** Monotonic instant from which handlers may be called; `null`: no handler may be called yet. */
  #worksSince: number | null = null
  readonly #isFresh: boolean
  /**
   * Monotonic instant that limits the wait for retries; `null`: no limit. If the execution only waits for retries after this
   * instant, it hands the occurrence back at once.
   */
  #drainsUntil: number | null
  #phase: StateOf<typeof executionTransitions> = 'open'
  /** Whether the settler has this execution or its item. An execution has at most one settle item in progress. */
  #isSettling = false
  /** Whether a settle was requested after the settler had taken the item in progress. */
  #saysAgain = false
  /** Whether handlers have reported progress or log lines that the node has not stored yet. */
  #isNoted = false
  #keptLogs: KeptLogs | null = null
  /** Completions in transactions of handlers; `null` until the first completion, because most handlers write none. */
  #completions: Completions | null = null
  /**
   * Whether a settle was requested while a completion was open. {@link decide} requests the settle again. Not related to
   * `EngineContext.isHeldBack`.
   */
  #isHeldBack = false
  /** Whether the settle in progress may take the next occurrence of the job. */
  #isTaking = false
  /** Whether the next run of the backfill is being created. Meanwhile the execution does not settle its end. */
  #isHandingOn = false
  trace: RunTrace | null = null
  /** The trace context of the run under an earlier owner. */
  readonly #earlierTrace: TraceContext | null
  /**
   * Whether the storage has rejected a settle item without kept logs. Another rejection leaves the occurrence to the reaper.
   */
  #isRefused = false
  misfit: JobistemerError | null = null
  halt: Halt | null = null
  /** The end or hand-back in the last settle item; `null`: the last item has none. */
  #finalChange: SettleChange | null = null
  #finalRuns: readonly TaskRunRecord[] = noRuns

  constructor(owner: ExecutionOwner, options: BegunRun, drainsUntil: number | null) {
    const { job, plan, occurrence, runs, fresh } = options
    this.#owner = owner
    this.engine = owner.engine
    this.children = owner.children
    this.job = job
    this.occurrence = occurrence
    this.plan = plan
    this.#drainsUntil = drainsUntil
    this.#isFresh = fresh
    this.#earlierTrace = fresh || this.engine.tracing === null ? null : latestTraceOf(runs)
    const tasks = new Array<TaskProgress>(plan.tasks.length)
    for (let index = 0; index < tasks.length; index++) {
      const task = new TaskProgress(plan.tasks[index] as TaskPlan, this)
      tasks[index] = task
      const run = runs[index]?.task === task.plan.name ? runs[index] : runs.find((one) => one.task === task.plan.name)
      if (run === undefined) continue
      if (fresh) task.begin(run)
      else task.resume(run, occurrence.startedAt)
    }
    this.#tasks = tasks
    this.#foreignRuns = fresh ? noRuns : runsWithoutTask(runs, plan.tasks, occurrence.startedAt)
  }

  /**
   * Milliseconds since the first handler could be called; 0 if no handler could. Excludes the storage calls before the first
   * handler, because slow answers of the storage do not make the handlers slow. Includes retry intervals and the storage calls
   * between attempts, because the occurrence holds its permit during this time.
   */
  get workingMs(): number {
    const now = this.engine.clock.monotonic()
    return now - (this.#worksSince ?? now)
  }

  /** Whether a task has failed whose failure strategy ends the occurrence. Then only tasks that always run may still start. */
  get #failedFast(): boolean {
    return this.#tasks.some(({ state, plan }) => state === 'failed' && plan.settings.failureStrategy !== 'continue')
  }

  get orderAt(): number {
    return orderAt(this.occurrence)
  }

  /** Starts the run. The caller has checked that the storage names this node as the owner. */
  start(): void {
    this.#beganAt = this.engine.clock.monotonic()
    if (this.#isFresh) this.#worksSince = this.#beganAt
    if (this.engine.tracing !== null) this.#beginTrace(this.engine.tracing)
    emitStarted(this)
    const { startedAt, executionTimeoutMs } = this.occurrence
    const now = this.engine.now()
    if (this.engine.isTimeInDoubt) {
      // While the time is in doubt, this node cannot tell whether the execution timeout has passed. So it hands the occurrence
      // back.
      this.#stop({ kind: 'release', reason: 'clock_unconfirmed' }, 'clock_unconfirmed')
      return
    }
    const leftMs = Math.min(startedAt + executionTimeoutMs - now, executionTimeoutMs)
    if (leftMs <= 0) {
      // The storage took longer to answer than the execution timeout. The occurrence fails before its handlers are called.
      this.ring()
      return
    }
    this.engine.agenda.setAlarm(this, leftMs)
    const traceparent = this.trace?.context?.traceparent
    for (const task of this.#tasks) task.startsAt(now, traceparent)
    // Stores the trace context within 1 s. If this node dies before, the next owner cannot continue the trace.
    if (traceparent !== undefined) this.noted()
    const { name, payload } = this.job.job
    const { id, kind, details } = this.occurrence
    if (details.unreadable !== undefined) {
      this.misfit = unreadableRun(name, id, details.unreadable)
      const fields = { job: name, occurrenceId: id, part: details.unreadable, remedy: this.misfit.remedy }
      this.engine.logger.error(fields, 'the stored row of this run cannot be read: the run fails')
    } else if (payload !== null && kind !== 'slot' && details.isParsed !== true) {
      this.#parseData(payload)
        .then(() => {
          if (this.#phase === 'open') this.#callOnStart()
        })
        .catch((error) => this.engine.fail('start', error))
      return
    }
    this.#callOnStart()
  }

  #beginTrace(tracing: Tracing): void {
    const { occurrence, job, engine } = this
    const { id, kind, details, jobVersion, startedAt, scheduledAt } = occurrence
    this.trace = tracing.started({
      job: { id: occurrence.jobId, name: job.job.name, version: jobVersion },
      occurrence: { id, kind },
      node: engine.owner.node,
      scheduledAt: new Date(slotOf(details) ?? scheduledAt),
      latenessMs: startedAt - scheduledAt,
      fencingToken: occurrence.token,
      recovered: occurrence.recovered,
      replayOf: details.replayOf ?? null,
      requestKey: details.requestKey ?? null,
      request: readTraceContext(details.trace),
      earlier: this.#earlierTrace,
    })
  }

  /** Parses the data by the job's schema. Usually the sender has parsed them, but a client may have no schema. */
  async #parseData(payload: PayloadSchema): Promise<void> {
    const { details } = this.occurrence
    const place = { jobName: this.job.job.name, field: 'data' }
    try {
      const data = await runUserCode(this.engine, () => parsePayload(payload, details.data, place))
      const parsed = { ...details, isParsed: true as const, ...(data !== undefined && { data }) }
      this.occurrence = { ...this.occurrence, details: parsed }
    } catch (error) {
      if (!JobistemerError.isInstance(error)) throw error
      this.misfit = error
    }
  }

  #callOnStart(): void {
    const { onStart } = this.job.job
    if (onStart === undefined || this.misfit !== null) this.#begin()
    else {
      callHook(this, 'onStart', () => onStart(new RunningOccurrenceContext(this)))
        .then(() => this.#begin())
        .catch((error) => this.engine.fail('start', error))
    }
  }

  /** Aborts the attempts and finishes the occurrence as `canceled`. */
  cancel(reason: string): void {
    this.#stop({ kind: 'finish', state: 'canceled', reason }, 'canceled')
  }

  /**
   * Called when the node shuts down. Hands the occurrence back if it has not begun, or if it only waits for retries after
   * `untilMonotonic`: the monotonic instant at which the grace period of the shutdown ends.
   */
  drain(untilMonotonic: number): void {
    this.#drainsUntil = untilMonotonic
    if (this.#beganAt === null) this.shutDown()
    else this.#handBackIfWaiting()
  }

  #handBackIfWaiting(): void {
    const until = this.#drainsUntil
    if (until === null) return
    const isWaiting = (task: TaskProgress) => task.waitsBeyond(until)
    const isAtRest = this.#tasks.every((task) => task.ended || task.isIdle || isWaiting(task))
    if (isAtRest && this.#tasks.some(isWaiting)) this.shutDown()
  }

  /**
   * Aborts the attempts. After all handlers have ended, hands the occurrence back, or settles its end if all tasks have ended
   * by themselves.
   */
  shutDown(): void {
    this.#stop({ kind: 'release', reason: 'shutdown' }, 'shutdown')
  }

  /**
   * Called when the storage has accepted no heartbeat for 80 % of `deadAfter`, so peers may take over soon. Under
   * `whileIsolated: 'abort'`, aborts the attempts and hands the occurrence back. Not related to isolated tasks.
   */
  isolate(): void {
    if (this.plan.settings.whileIsolated !== 'abort') return
    this.#stop({ kind: 'release', reason: 'isolated' }, 'isolated')
    // The node can kill only the children of isolated tasks. A handler in this process continues if it ignores its signal.
    if (this.#phase === 'open') for (const task of this.#tasks) task.hurry()
  }

  /** Hands back a prefetched occurrence that has waited too long for a permit. Its handlers were not called. */
  handBack(): void {
    this.#stop({ kind: 'release', reason: 'no_capacity' }, 'no_capacity')
  }

  /**
   * Called when the execution timeout has passed. Aborts the attempts and fails the occurrence with the reason
   * `execution_timeout`.
   */
  ring(): void {
    this.#stop({ kind: 'finish', state: 'failed', reason: 'execution_timeout' }, 'execution_timeout')
    // The timeout also shortens the wait for handlers that were aborted before, because a peer will reap the occurrence soon.
    if (this.#phase === 'open') for (const task of this.#tasks) task.hurry()
  }

  /**
   * Returns the item for the next `settle` call; `null`: this node no longer runs the occurrence, or the occurrence has an open
   * completion.
   */
  takeItem(now: number): SettleItem | null {
    this.#saysAgain = false
    if (this.#phase === 'closed') return null
    if (this.#completions?.isOpen === true) {
      this.#isSettling = false
      this.#isHeldBack = true
      return null
    }
    this.#owner.delayedReports.delete(this)
    const runs = this.#runs()
    if (this.#isNoted) for (const task of this.#tasks) task.tellProgress()
    this.#isNoted = false
    let change = progressed
    if (this.#phase === 'closing' && !this.#isHandingOn) {
      change = finalChange(this.halt, this.#tasks, this.#failedFast, now)
      this.#finalRuns = runs
      this.#finalChange = change
    }
    this.#isTaking = change.kind === 'finish' && this.#owner.nextTaker.mayTake(this.occurrence.jobId)
    return this.#itemOf(runs, change)
  }

  /** Makes the next settle item or completion of this execution. */
  #itemOf(runs: readonly TaskRunRecord[], change: SettleChange): SettleItem {
    const { id, jobId, scheduledAt, token } = this.occurrence
    const upToSequence = this.#completions?.upTo ?? null
    const { owner } = this.engine
    const sequence = ++this.#sequence
    // An object spread would cost more than the rest of this method.
    const item: SettleItem = this.#isTaking
      ? { id, jobId, scheduledAt, token, owner, sequence, runs, change, takeNext: owner }
      : { id, jobId, scheduledAt, token, owner, sequence, runs, change }
    return upToSequence === null ? item : { ...item, upToSequence }
  }

  settled(item: SettleItem, answer: SettleAnswer): void {
    this.#endSettling()
    // The end of this occurrence may have taken the next one. This node owns the taken occurrence even if it has lost this one.
    this.#endTaking(answer)
    if (this.#phase === 'closed') return
    this.#worksSince ??= this.engine.clock.monotonic()
    if (answer.outcome === 'lost') {
      // Usually `lost` means that another owner has the occurrence. This execution may still own it if it has completions, and
      // if the stored occurrence runs under its token. There are two such cases:
      // - The item carries `upToSequence`: the storage has a completion that this execution has not read.
      // - The execution has assigned later sequences: the storage has a completion that contains the attempts of the item.
      //
      // In any other case, this execution has lost the occurrence. The token proves nothing then: after a loss of data, the
      // storage may have given another owner the same token.
      const isOvertaken = this.#completions !== null && this.#isStillOwn(answer)
      if (isOvertaken && item.upToSequence !== undefined) this.#adoptCommitted()
      else if (isOvertaken && item.sequence < this.#sequence) this.#accepted(item)
      else this.#taken(answer)
      return
    }
    if (item.upToSequence !== undefined) this.#completions?.settle()
    if (this.#finalChange !== null) {
      const change = this.#finalChange
      if (change.kind === 'finish' && answer.woken !== null) this.#owner.nextTaker.woken(this.occurrence.jobId)
      this.#close(change)
      // The storage sends no wake-up to the calling node, so the node notes the pending work here.
      if (answer.woken !== null || change.kind === 'release') this.#owner.capacity.workAppeared()
      return
    }
    // Handles the cancel request first, because the acknowledgement would call handlers.
    if (answer.cancelRequested !== null) this.cancel(answer.cancelRequested)
    this.#accepted(item)
  }

  /**
   * Records that the storage has the attempts of this item. The storage has accepted this item, or a later item that
   * contains the same attempts.
   */
  #accepted(item: SettleItem): void {
    // A job may have thousands of tasks, so one loop walks the runs and the tasks in parallel. The runs have the order of the
    // tasks; the runs of tasks that are not in the plan come first.
    let task = 0
    for (let index = this.#foreignRuns.length; index < item.runs.length; index++) {
      const run = item.runs[index] as TaskRunRecord
      while (task < this.#tasks.length && this.#tasks[task]?.plan.name !== run.task) task++
      this.#tasks[task]?.stored(run.attempts.at(-1)?.number)
    }
  }

  async complete(task: TaskProgress, attempt: number, transaction: unknown, result: unknown): Promise<void> {
    const within = this.engine.storage.within(transaction)
    try {
      await this.#completeWithin(within, task, attempt, result)
    } catch (error) {
      // Throw the first error even if `forbidCommit` fails too: the transaction cannot be committed then anyway.
      await within.forbidCommit().catch(() => undefined)
      throw error
    }
  }

  async #completeWithin(within: StorageWithin, task: TaskProgress, attempt: number, result: unknown): Promise<void> {
    task.assertUnderWay(attempt)
    this.#completions ??= new Completions()
    const completions = this.#completions
    await completions.awaitTurn(task, task.signal())
    task.assertUnderWay(attempt)
    if (completions.isWriting) throw alreadyCompleted(task.plan.name)
    const run = task.completedRun(result)
    completions.begin(task, this.#sequence)
    const runs = this.#runs().map((record) => (record.task === run.task ? run : record))
    const item = this.#itemOf(runs, progressed)
    const request = { now: this.engine.now(), items: [item] }
    const [answer] = await completions.write({ task, run, sequence: item.sequence }, () => within.settle(request))
    if (answer?.outcome !== 'lost') return
    if (this.#isStillOwn(answer)) throw alreadyCompleted(task.plan.name)
    // During the storage call, this node may have lost the occurrence and closed the execution.
    if (this.#phase !== 'closed') this.#taken(answer)
    throw abortErrorOf(task.plan, 'lost')
  }

  /**
   * Returns whether the stored state and token are those of this execution. After a loss of data, another owner may have the
   * same token.
   */
  #isStillOwn({ state, token }: { readonly state: OccurrenceState | 'absent'; readonly token: number }): boolean {
    return state === 'running' && token === this.occurrence.token
  }

  isCompleting(task: TaskProgress): boolean {
    return this.#completions?.isOf(task) === true
  }

  decide(apply: (stored: Completion | null) => void): void {
    this.#readCompletion()
      .then((stored) => {
        if (this.#phase === 'closed') return
        apply(stored)
        this.#completions?.close()
        if (!this.#isHeldBack) return
        this.#isHeldBack = false
        this.say()
      })
      .catch((error) => failInBackground(this.engine, 'complete', error))
  }

  /**
   * Returns the stored completion; `null`: the storage has none. If this node has lost the occurrence, closes the execution.
   */
  async #readCompletion(): Promise<Completion | null> {
    const { id, token } = this.occurrence
    const { occurrences } = await this.engine.storage.repeated('get', (calls) => calls.get({ occurrences: [id] }))
    const [record] = occurrences
    if (this.#phase === 'closed') return null
    const { owner } = this.engine
    if (record?.state !== 'running' || !isHeldBy(record, { token, owner })) {
      this.#taken({ state: record?.state ?? 'absent', token: record?.token ?? 0 })
      return null
    }
    const stored = this.#completions?.storedAs(record.sequence) ?? null
    if (stored !== null) this.#completions?.settle()
    return stored
  }

  /**
   * Adopts a transaction of a handler that was committed after {@link decide} had read the record. The task has completed,
   * although this execution has recorded its attempt as failed.
   */
  #adoptCommitted(): void {
    this.#completions?.reopen()
    this.decide((stored) => {
      stored?.task.adopt(stored)
      this.#finalChange = null
      this.#isHeldBack = true
      if (this.#phase === 'open') this.advance()
    })
  }

  /**
   * Called when the storage rejected a settle item, so that the execution sends less data. First the execution discards the
   * kept logs. If the storage also rejects the item without logs, the occurrence fails with the reason `storage_refused`. If
   * the storage also rejects this failure, this node leaves the occurrence to the reaper.
   */
  refused(error: unknown): void {
    this.#endSettling()
    this.#endTaking(null)
    if (this.#phase === 'closed') return
    const { logger } = this.engine
    const fields = { job: this.job.job.name, occurrenceId: this.occurrence.id, err: error }
    if (this.#keptLogs?.refuse() === true) {
      logger.warn(fields, 'the storage rejected a step of this run: the run continues without its kept logs')
      this.say()
      return
    }
    if (this.#isRefused) {
      logger.error(fields, 'the storage refused to store that this run failed: the run waits for the reaper')
      this.#owner.left.set(this.occurrence.id, this.occurrence.token)
      this.lose()
      return
    }
    this.#isRefused = true
    logger.error(fields, 'the storage rejected a step of this run: the run fails')
    for (const task of this.#tasks) task.refuse()
    const isClosing = this.#phase === 'closing'
    this.#stop({ kind: 'finish', state: 'failed', reason: 'storage_refused' }, 'storage_refused')
    if (!isClosing) return
    this.halt = { kind: 'finish', state: 'failed', reason: 'storage_refused' }
    this.say()
  }

  #endSettling(): void {
    this.#isSettling = false
    if (this.#saysAgain) this.say()
  }

  #endTaking(answer: SettleAnswer | null): void {
    if (!this.#isTaking) return
    this.#isTaking = false
    const starting = this.#owner.nextTaker.answered(this.occurrence.jobId, answer)
    if (starting !== null) this.#owner.reporting(starting)
  }

  #begin(): void {
    if (this.#phase !== 'open') return
    for (const task of this.#tasks) task.callIfStored()
    this.advance()
  }

  /**
   * Starts the tasks that may start now. If no task has an attempt afterwards, frees the permit and settles the end or the
   * hand-back.
   */
  advance(): void {
    if (this.#phase !== 'open') return
    const parallel = this.plan.settings.taskExecutionMode === 'parallel'
    const failedFast = this.#failedFast
    let open = false
    for (const task of this.#tasks) {
      if (task.ended) continue
      if (task.isIdle && this.halt === null) {
        if (failedFast && !task.plan.alwaysRuns) task.giveUp('fail_fast')
        else task.announce()
      }
      if (task.isIdle) continue
      open = true
      if (!parallel) break
    }
    if (open) {
      // Report the end of a parallel task within 1 s, because other tasks may run for hours. Tasks in sequence need no such
      // report: the call that announces the next task also stores the previous end.
      if (parallel && this.#tasks.some((task) => task.ended)) this.noted()
      this.#handBackIfWaiting()
      return
    }
    this.#on('tasks_ended')
    // The execution frees its permit before it settles its end, and tells the claimer. So another run can start during the
    // storage call.
    const { capacity, relay } = this.#owner
    capacity.leave(this, this.workingMs)
    capacity.offerRoom()
    const handsOn = relay !== null && this.occurrence.details.backfill !== undefined
    if (!handsOn || finalChange(this.halt, this.#tasks, failedFast, this.engine.now()).kind !== 'finish') {
      this.say()
      return
    }
    // Create the next run of the backfill, and then settle the end of this run.
    this.#isHandingOn = true
    void relay.handOn(this.occurrence).then(() => {
      this.#isHandingOn = false
      this.say()
    })
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  /**
   * Called when a handler was interrupted and the job's `onInterrupted` forbids another call of the handler. The occurrence
   * then fails and is not handed back.
   */
  interrupted(): void {
    if (this.halt?.kind !== 'release') return
    this.halt = { kind: 'finish', state: 'failed', reason: this.halt.reason }
    // Before the hand-back, the node would have waited for running handlers without a limit. The occurrence ends instead, so
    // `abort` limits this wait to `abortGraceMs` or `killAfter`.
    for (const task of this.#tasks) task.abort(giveUpReason(this.halt))
  }

  failMisfit(): void {
    this.#stop({ kind: 'finish', state: 'failed', reason: 'invalid_payload' }, 'invalid_payload')
  }

  mayRetry(plan: TaskPlan): boolean {
    return this.halt === null && (!this.#failedFast || plan.alwaysRuns)
  }

  /**
   * Whether the execution timeout has passed, and its alarm has not been called yet. The alarm of a task may be called first if
   * the event loop was blocked.
   */
  get isOverdue(): boolean {
    return this.heapIndex >= 0 && this.engine.clock.monotonic() >= this.at
  }

  failFast(): void {
    for (const task of this.#tasks) if (!task.plan.alwaysRuns) task.abort('fail_fast')
  }

  /**
   * Sets the halt, which ends the execution early, and aborts the attempts. Has no effect if the execution is closing, or if
   * it has a halt `finish`.
   */
  #stop(halt: Halt, reason: AbortReason): void {
    if (this.#phase !== 'open' || this.halt?.kind === 'finish') return
    this.halt = halt
    for (const task of this.#tasks) task.abort(reason)
    this.advance()
  }

  /** Returns the task runs for the storage. If the execution settles its end, first ends the unfinished tasks as `canceled`. */
  #runs(): TaskRunRecord[] {
    const releasing = this.halt?.kind === 'release'
    let runs: TaskRunRecord[] | null = this.#foreignRuns.length === 0 ? null : this.#foreignRuns.slice()
    for (const task of this.#tasks) {
      if (this.#phase === 'closing' && !releasing && !task.ended) {
        task.giveUp(this.halt === null ? 'fail_fast' : giveUpReason(this.halt))
      }
      const record = task.toRecord()
      if (record === null) continue
      // Creates the array with its first element. This allocates room for one element, but a push to an empty array
      // allocates room for about 16.
      if (runs === null) runs = [record]
      else runs.push(record)
    }
    return runs ?? []
  }

  results(): Readonly<Record<string, JsonValue | undefined>> {
    const results: Record<string, JsonValue | undefined> = { ...this.occurrence.details.results }
    for (const task of this.#tasks) if (task.state === 'completed') results[task.plan.name] = task.result
    return results
  }

  /** Requests a settle, which carries the state at the time of the storage call. */
  say(): void {
    if (this.#isSettling) {
      this.#saysAgain = true
      return
    }
    if (this.#completions?.isOpen === true) {
      this.#isHeldBack = true
      return
    }
    this.#isSettling = true
    this.#owner.settler.add(this)
  }

  get keptLogs(): KeptLogs {
    this.#keptLogs ??= new KeptLogs()
    return this.#keptLogs
  }

  noted(): void {
    if (this.#isNoted) return
    this.#isNoted = true
    this.#owner.delayedReports.add(this)
  }

  /** Settles everything that the storage does not have yet: attempts since the claim, progress, and log lines. */
  reportNow(): void {
    if (this.#phase === 'open' && this.#beganAt !== null) this.say()
  }

  /** Handles a stored record that shows that this node no longer owns the occurrence. */
  #taken({ state, token }: { readonly state: OccurrenceState | 'absent'; readonly token: number }): void {
    const isCanceled = state === 'canceled' && token === this.occurrence.token
    // Only this node can call `onComplete` for the canceled occurrence, so a shutdown waits for the call.
    const telling = isCanceled ? this.#tellCanceled() : null
    if (telling !== null) this.#owner.reporting(telling)
    this.lose(isCanceled)
  }

  /**
   * Aborts the attempts and closes the execution, which ignores later results of handlers. `isCanceled`: a forced cancel ended
   * the occurrence, so it has no other owner.
   */
  lose(isCanceled: boolean = false): void {
    this.#on('lose')
    this.engine.agenda.cancelAlarm(this)
    for (const task of this.#tasks) task.lose()
    this.trace?.ended({ outcome: isCanceled ? 'canceled' : 'lost', reason: null })
    emitLost(this, isCanceled)
    this.#owner.closed(this)
  }

  /** Reports the end of an occurrence that was canceled by force, as the storage's record shows it. */
  async #tellCanceled(): Promise<void> {
    if (!this.#isToBeTold) return
    const { id } = this.occurrence
    try {
      const { occurrences } = await this.engine.storage.repeated('get', (calls) => calls.get({ occurrences: [id] }))
      const record = occurrences[0] ?? null
      const runsOf = (one: OccurrenceRecord) => (endedByClaim(one) ? runsOfLeft(one, this.plan) : one.runs)
      this.#finalRuns = record === null ? noRuns : shownRuns({ ...record, runs: runsOf(record) })
      const finishedAt = record?.finishedAt ?? this.engine.now()
      this.#tellEnd({ outcome: 'canceled', reason: record?.reason ?? 'canceled', finishedAt }, true)
    } catch (error) {
      failInBackground(this.engine, 'get', error)
    }
  }

  #close(change: SettleChange): void {
    this.#on('acknowledge')
    this.engine.agenda.cancelAlarm(this)
    this.#owner.closed(this)
    if (change.kind === 'release') {
      this.trace?.ended({ outcome: 'released', reason: change.reason })
      emitReleased(this, change.reason)
    } else if (change.kind === 'finish') {
      this.trace?.ended({ outcome: change.state, reason: change.reason })
      const { state: outcome, reason } = change
      if (outcome === 'failed' && reason !== null && endsUnlogged(reason)) logAborted(this, reason)
      if (this.#isToBeTold) this.#tellEnd({ outcome, reason, finishedAt: this.engine.now() }, false)
    }
  }

  #on(event: EventOf<typeof executionTransitions>): void {
    this.#phase = transition(executionTransitions, this.#phase, event) ?? this.#phase
  }

  get #isToBeTold(): boolean {
    return this.job.job.onComplete !== undefined || this.engine.events.hears('occurrence.finished')
  }

  #tellEnd(end: Parameters<typeof reportOf>[3], isToldBefore: boolean): void {
    const report = reportOf(this, this.plan, this.#finalRuns, end)
    const { onComplete } = this.job.job
    emitFinished(this, report, isToldBefore)
    if (onComplete === undefined) return
    this.#owner.callingBack(() => callHook(this, 'onComplete', () => onComplete(report)))
  }
}
