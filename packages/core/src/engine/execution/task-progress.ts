import { abortGraceMs } from './tuning.ts'
import { toErrorRecord } from '../../error-record.ts'
import { JobistemerError } from '../../errors.ts'
import { type JsonValue, toJsonValue } from '../../json.ts'
import { isNonRetryable } from '../../non-retryable-error.ts'
import { isThenable } from '../../rejection.ts'
import type {
  AttemptRecord,
  AttemptState,
  LogLevel,
  OmittedAttempts,
  TaskRunRecord,
  TaskRunState,
} from '../../storage/occurrence-record.ts'
import type { AttemptTrace } from '../../tracing/tracing.ts'
import { IsolatedAttempt } from './isolation/isolated-attempt.ts'
import type { Children } from './isolation/children.ts'
import type { JobPlan, TaskPlan } from '../definitions/job-plan.ts'
import type { Alarm } from '../runtime/agenda.ts'
import { runUserCode } from '../runtime/own-context.ts'
import { type AbortReason, abortErrorOf, isHandOver, timeoutError } from './abort-errors.ts'
import { attemptOver, type Completion, notCommitted } from './completion.ts'
import { allowsRetry, emitAttemptEnded, emitAttemptProgressed, emitAttemptStarted } from './execution-events.ts'
import { attemptTransitions, type EventOf, type Halt, type StateOf, transition } from './lifecycles.ts'
import { failuresOf, type KeptAttempts, withAttempt, resumesAt, retryDelay } from './retry.ts'
import { type KeptLogs, TaskNotes } from './kept-logs.ts'
import { toLogLine } from './log-line.ts'
import { RunningTaskContext, type TaskContextSource } from './task-context.ts'
import { withLostAttempts } from './task-run-records.ts'

/**
 * After an abort for one of these reasons, a peer may soon run the occurrence. So an isolated task has at most
 * {@link abortGraceMs} to stop, even with a longer `killAfter`.
 */
const soonBegunElsewhere: readonly AbortReason[] = ['execution_timeout', 'isolated', 'lost']

const none: readonly AttemptRecord[] = Object.freeze([])

/** The members of an execution that its tasks read and call. {@link Execution} implements this interface. */
export interface TaskOwner extends TaskContextSource {
  /** The threads and processes for isolated tasks. */
  readonly children: Children
  readonly keptLogs: KeptLogs
  /** Whether the occurrence has not ended on this node. Only then may attempts of its tasks begin. */
  readonly isOpen: boolean
  readonly plan: JobPlan
  /** Why the execution stops early; a `release` hands the occurrence to another node. `null`: the execution does not stop. */
  readonly halt: Halt | null
  /** Called when a handler was interrupted under `onInterrupted: 'fail'`. The execution then ends the occurrence as failed. */
  interrupted(): void
  /** Returns whether this node may start a further attempt of the task. */
  mayRetry(plan: TaskPlan): boolean
  /**
   * The error for which no handler is called: unreadable run data, or data that do not match the job's schema. `null`: the data
   * are valid.
   */
  readonly misfit: JobistemerError | null
  /** Called when an attempt has failed with {@link misfit}. The occurrence then fails with the reason `invalid_payload`. */
  failMisfit(): void
  /** Whether the execution timeout has passed, but the alarm for this timeout has not been called yet. */
  readonly isOverdue: boolean
  /** Requests a settle. */
  say(): void
  /** Called when a handler has reported progress or a log line. The execution settles the report within 1 s. */
  noted(): void
  /** Called when the task has failed and its failure strategy ends the occurrence. */
  failFast(): void
  /** Called when the task has no attempt any more. Then other tasks may start, or the occurrence may end. */
  advance(): void
  /** Completes the task in the transaction of the attempt's handler. */
  complete(task: TaskProgress, attempt: number, transaction: unknown, result: unknown): Promise<void>
  /** Returns whether the handler of this task has called `complete`, and the outcome of the transaction is unknown. */
  isCompleting(task: TaskProgress): boolean
  /**
   * Called after the handler has ended. Reads the stored record of the occurrence, and passes the stored completion to `apply`;
   * `null`: no completion is stored. If this node has lost the occurrence, does not call `apply`.
   */
  decide(apply: (stored: Completion | null) => void): void
}

/** Runs one task of a running occurrence: starts its attempts, evaluates their ends, and retries failed attempts. */
export class TaskProgress implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly plan: TaskPlan
  readonly #owner: TaskOwner
  /** The stored state of the task; `null` until its first attempt. */
  state: TaskRunState | null = null
  /** The state of the current attempt by `attemptTransitions`; `none`: the task has no current attempt on this node. */
  #step: StateOf<typeof attemptTransitions> = 'none'
  #attempts: readonly AttemptRecord[] = none
  #omitted: OmittedAttempts | undefined = undefined
  result: JsonValue | undefined = undefined
  #reason: string | undefined = undefined
  /**
   * Start of the next retry, in epoch ms. `null` in two cases: the next attempt may start at once, or this node has already
   * announced the retry.
   */
  retryDueAt: number | null = null
  /** The first reason for which the engine aborted the last attempt. */
  #abortReason: AbortReason | undefined = undefined
  /**
   * The context of the current attempt, or of the last one if no attempt is current. `null` until the handler of the current
   * attempt is called.
   */
  #context: RunningTaskContext | null = null
  /** Progress and log lines of the task; `null` until a handler reports some, because most handlers report none. */
  #notes: TaskNotes | null = null
  #trace: AttemptTrace | null = null
  /** The current or last attempt of an isolated task; `null`: the task is not isolated, or had no attempt on this node. */
  #isolated: IsolatedAttempt | null = null

  constructor(plan: TaskPlan, owner: TaskOwner) {
    this.plan = plan
    this.#owner = owner
  }

  /** Whether the task has ended for all owners. A task that this node releases unfinished has not ended. */
  get ended(): boolean {
    return this.state === 'completed' || this.state === 'failed' || this.state === 'canceled'
  }

  /** Whether the task has no current attempt. */
  get isIdle(): boolean {
    return this.#step === 'none'
  }

  /** Returns whether the task waits for a retry interval that ends after this monotonic instant. */
  waitsBeyond(monotonic: number): boolean {
    return (this.#step === 'announced_early' || this.#step === 'stored_early') && this.at > monotonic
  }

  get #kept(): KeptAttempts {
    return { attempts: this.#attempts, omitted: this.#omitted }
  }

  get #lastAttempt(): AttemptRecord | undefined {
    return this.#attempts.at(-1)
  }

  /** Returns the record of this task for the storage; `null`: the task has had no attempt. */
  toRecord(): TaskRunRecord | null {
    if (this.state === null) return null
    const attempts = this.#notes === null ? this.#attempts : this.#notes.addTo(this.#attempts)
    const record = { task: this.plan.name, state: this.state, attempts }
    if (this.#omitted === undefined && this.result === undefined && this.#reason === undefined) return record
    return {
      ...record,
      ...(this.#omitted !== undefined && { omitted: this.#omitted }),
      ...(this.result !== undefined && { result: this.result }),
      ...(this.#reason !== undefined && { reason: this.#reason }),
    }
  }

  // --------------------------------------------------------------------------------------------------------- beginning

  /** Adopts a first attempt that the storage already has, or for which the claim stands. */
  begin(record: TaskRunRecord): void {
    this.state = record.state
    this.#attempts = record.attempts
    this.#on('begin')
  }

  /** Adopts the task run of an earlier owner, and marks its unfinished attempt as lost. */
  resume(record: TaskRunRecord, now: number): void {
    this.state = record.state
    this.result = record.result
    this.#attempts = withLostAttempts(record, now).attempts
    this.#omitted = record.omitted
    if (record.attempts.some(({ logs }) => logs !== undefined)) this.#takeNotes().takeOver(record.attempts)
    // If the task has not ended, the stored reason says why an earlier owner released the occurrence. The new owner does not
    // keep that reason.
    if (this.ended) this.#reason = record.reason
    else {
      this.state = 'retrying'
      this.retryDueAt = resumesAt(this.plan.settings, this.#kept, now)
    }
  }

  /**
   * Called when the occurrence has got its permit, perhaps long after its claim or creation. If the first attempt of the task
   * is stored, sets `startedAt` of that attempt to `now`, and adds the trace. The task itself adds the trace to each attempt
   * that it announces.
   */
  startsAt(now: number, traceparent: string | undefined): void {
    const last = this.#lastAttempt
    if (this.#step !== 'stored' || last === undefined) return
    if (last.startedAt === now && traceparent === undefined) return
    this.#setLastAttempt({ ...last, startedAt: now, ...(traceparent !== undefined && { traceparent }) })
  }

  /**
   * Announces the next attempt to the storage. The task calls the handler when the storage has acknowledged the attempt and
   * `delayMs` have passed. Default of `delayMs`: if an earlier owner began a retry interval, the rest of that interval;
   * otherwise 0.
   */
  announce(delayMs: number = Math.max(0, (this.retryDueAt ?? 0) - this.#owner.engine.now())): void {
    const number = (this.#lastAttempt?.number ?? 0) + 1
    const waits = delayMs > 0
    const { engine, trace } = this.#owner
    const traceparent = trace?.context?.traceparent
    const attempt: AttemptRecord = {
      number,
      state: waits ? 'waiting' : 'running',
      startedAt: engine.now() + Math.round(delayMs),
      endedAt: null,
      ...(traceparent !== undefined && { traceparent }),
    }
    const kept = withAttempt(this.#kept, attempt)
    this.#attempts = kept.attempts
    this.#omitted = kept.omitted
    this.#notes?.supersede(kept.attempts)
    this.state = number === 1 ? 'running' : 'retrying'
    this.#on(waits ? 'announce_early' : 'announce')
    this.#abortReason = undefined
    this.#context = null
    this.retryDueAt = null
    if (waits) engine.agenda.setAlarm(this, delayMs)
    this.#owner.say()
  }

  /** Called when the storage has acknowledged the attempt with this number. Calls the handler if the attempt is due. */
  stored(number: number | undefined): void {
    if (this.#lastAttempt?.number !== number) return
    if (this.#on('acknowledge')) this.callIfStored()
  }

  /** Calls the handler if the storage has acknowledged the attempt and the attempt is due. */
  callIfStored(): void {
    if (this.#step !== 'stored' || this.#owner.isOverdue) return
    const attempt = this.#lastAttempt
    if (attempt === undefined) return
    const { number } = attempt
    const { engine } = this.#owner
    if (attempt.state === 'waiting') this.#replaceLastAttempt({ state: 'running', startedAt: engine.now() })
    this.#on('call')
    this.#startTimeout()
    emitAttemptStarted(this.#owner, this.plan.name, number)
    const trace = this.#owner.trace?.attempt({ task: this.plan.name, number }) ?? null
    this.#trace = trace
    const context = new RunningTaskContext(this.#owner, this, number, trace)
    this.#context = context
    let returned: unknown
    try {
      if (this.#owner.misfit !== null) throw this.#owner.misfit
      const call = (): unknown => this.#call(context)
      returned = runUserCode(engine, trace === null ? call : () => trace.within(call))
      if (returned instanceof Promise) {
        returned.then(
          (value) => this.#attemptEnded(number, true, value),
          (error) => this.#attemptEnded(number, false, error),
        )
        return
      }
    } catch (error) {
      this.#attemptEnded(number, false, error)
      return
    }
    this.#attemptEnded(number, true, returned)
  }

  #call(context: RunningTaskContext): unknown {
    if (this.plan.isolated !== null) {
      const { engine, children } = this.#owner
      // The task timeout was set when the attempt began. But an attempt of an isolated task may first wait for a child. So
      // cancel the timeout: `#startTimeout` sets it again when the attempt gets its child.
      engine.agenda.cancelAlarm(this)
      const options = { work: this.plan.isolated, context, onBegin: () => this.#startTimeout() }
      this.#isolated = new IsolatedAttempt(engine, children, options)
      return this.#isolated.result
    }
    const answer = this.plan.run(context as never)
    // Convert a foreign thenable to a native promise: the `then` of a foreign thenable may throw, or may call both callbacks.
    return isThenable(answer) ? Promise.resolve(answer) : answer
  }

  #startTimeout(): void {
    const { taskTimeoutMs } = this.plan.settings
    // Without a task timeout, the execution timeout limits the attempt.
    if (taskTimeoutMs !== null) this.#owner.engine.agenda.setAlarm(this, taskTimeoutMs)
  }

  // ---------------------------------------------------------------------------- handlers report progress and log lines

  /** Records the progress that the handler of this attempt reported. Does nothing after the attempt has ended. */
  progress(number: number, fraction: number, message: string | null): void {
    if (!this.#isUnderWay(number)) return
    this.#takeNotes().progressed({ fraction, message, at: this.#owner.engine.now() })
    this.#owner.noted()
  }

  /** Keeps a log line that the handler of this attempt wrote. Does nothing after the attempt has ended. */
  log(number: number, level: LogLevel, fields: unknown, message: unknown): void {
    if (!this.#isUnderWay(number) || !this.#owner.keptLogs.isKeeping) return
    this.#takeNotes().logged(number, toLogLine(this.#owner.engine.now(), level, fields, message))
    this.#owner.noted()
  }

  complete(number: number, transaction: unknown, result: unknown): Promise<void> {
    return this.#owner.complete(this, number, transaction, result)
  }

  /** Returns the signal of the attempt whose handler runs. */
  signal(): AbortSignal {
    return (this.#context as RunningTaskContext).signal
  }

  /**
   * Throws if the attempt may no longer complete the task.
   *
   * @throws JobistemerError the reason of the aborted signal, or `ATTEMPT_OVER`
   */
  assertUnderWay(number: number): void {
    const { name } = this.plan
    if (this.#lastAttempt?.number === number && this.#abortReason !== undefined) {
      throw abortErrorOf(this.plan, this.#abortReason)
    }
    if (!this.#isUnderWay(number)) throw attemptOver(name, number)
  }

  /**
   * Returns the task's record as if the current attempt had completed it with this result. @throws JobistemerError if the
   * result is not JSON
   */
  completedRun(returned: unknown): TaskRunRecord {
    const result = resultOf(returned)
    const { reason, ...record } = this.toRecord() as TaskRunRecord
    const attempts = record.attempts.slice()
    attempts.push({ ...(attempts.pop() as AttemptRecord), state: 'succeeded', endedAt: this.#owner.engine.now() })
    return { ...record, state: 'completed', attempts, ...(result !== undefined && { result }) }
  }

  /**
   * Ends the task with a completion that the handler has stored in its own transaction. Called if the handler then failed or
   * was aborted.
   */
  adopt({ run }: Completion): void {
    this.#owner.engine.agenda.cancelAlarm(this)
    this.#on('abort')
    this.#take(run)
  }

  #take({ attempts, omitted, result }: TaskRunRecord): AttemptRecord {
    this.#attempts = attempts
    this.#omitted = omitted
    this.state = 'completed'
    this.result = result
    this.#reason = undefined
    return attempts.at(-1) as AttemptRecord
  }

  /** Emits the progress of the current attempt if the handler has reported new progress. */
  tellProgress(): void {
    const progress = this.#notes?.newProgress ?? null
    const number = this.#lastAttempt?.number
    if (progress === null || number === undefined) return
    emitAttemptProgressed(this.#owner, this.plan.name, number, progress)
  }

  #isUnderWay(number: number): boolean {
    const isCalled = this.#step === 'running' || this.#step === 'stopping'
    return isCalled && this.#lastAttempt?.number === number && this.#owner.isOpen
  }

  #takeNotes(): TaskNotes {
    this.#notes ??= new TaskNotes(this.#owner.keptLogs, this.plan.settings.keepLogs?.lines ?? 0)
    return this.#notes
  }

  // ------------------------------------------------------------------------------------------------------------ ending

  /**
   * Called when the alarm of this task rings. The alarm rings at the end of the task timeout or of the retry interval. It also
   * rings at the end of the wait for an aborted handler or a killed child.
   */
  ring(): void {
    if (this.#on('due')) this.callIfStored()
    else if (this.#step === 'running') {
      this.#tellToStop('timeout')
      this.#owner.engine.agenda.setAlarm(this, this.#stopsWithinMs('timeout'))
    } else if (this.#step === 'stopping') {
      if (this.#isolated?.kill() === true) {
        this.#owner.engine.agenda.setAlarm(this, abortGraceMs)
        return
      }
      // For a hand-back, the node waits for the end of the handler, without a limit. If the node handed the occurrence back
      // earlier, a peer could claim it. The peer would then call the handler while the first call still runs.
      const reason = this.#abortReason
      if (this.#owner.halt?.kind === 'release' || reason === undefined) return
      this.#attemptEnded(this.#lastAttempt?.number ?? 0, false, abortErrorOf(this.plan, reason))
    }
  }

  /**
   * Aborts the current attempt:
   * - If the node has not called the handler yet, the node never calls the handler.
   * - If the handler runs, its signal fires. After {@link abortGraceMs} the engine gives up on the handler, unless the node
   *   hands the occurrence back.
   * - If the task is isolated, the node kills the child after `killAfter`. The node then waits {@link abortGraceMs} for the end
   *   of the child.
   */
  abort(reason: AbortReason): void {
    if (this.#step === 'none' || this.#step === 'deciding') return
    const { agenda } = this.#owner.engine
    if (this.#step === 'stopping') {
      // The handler was aborted before, for a hand-back, and the node waited for it without an alarm. Now the node ends the
      // occurrence instead, so an alarm must limit this wait.
      if (this.heapIndex < 0) agenda.setAlarm(this, this.#stopsWithinMs(reason))
      return
    }
    if (this.#step === 'running') {
      agenda.setAlarm(this, this.#stopsWithinMs(reason))
      this.#tellToStop(reason)
      return
    }
    // The node has not called the handler of this attempt, and will not call it.
    agenda.cancelAlarm(this)
    const isEarly = this.#step === 'announced_early' || this.#step === 'stored_early'
    if (isEarly) this.retryDueAt = this.#lastAttempt?.startedAt ?? null
    this.#on('abort')
    this.#abortReason = reason
    this.#replaceLastAttempt({ state: 'aborted', endedAt: this.#owner.engine.now(), reason })
    this.#aborted(reason)
  }

  /**
   * Called for all tasks of a run when the storage has rejected a write of the run. The storage does not say which task caused
   * the rejection. A possible cause is a result that is too large.
   *
   * Replaces the result or error of the last attempt by the error `STORAGE_REFUSED`. Replaces the errors of earlier attempts by
   * the text `not kept`.
   */
  refuse(): void {
    this.#attempts = this.#attempts.map((attempt) =>
      attempt.error === undefined ? attempt : { ...attempt, error: { name: 'Error', message: 'not kept' } },
    )
    const last = this.#lastAttempt
    if (last === undefined || (this.result === undefined && last.error === undefined)) return
    const { name, message, code } = new JobistemerError('STORAGE_REFUSED', {
      message: `The storage cannot keep what task ${JSON.stringify(this.plan.name)} returned or threw.`,
      remedy: 'Return less data, or plain JSON, and return a reference to the rest.',
    })
    this.#replaceLastAttempt({ state: 'failed', error: { name, message, code } })
    if (this.result === undefined) return
    this.result = undefined
    this.state = 'failed'
  }

  /** Ends the task as `canceled`, without a further attempt. */
  giveUp(reason: AbortReason): void {
    this.state = 'canceled'
    this.#reason = reason
  }

  /** Called when this node has lost the occurrence. The node then ignores the result of the handler. */
  lose(): void {
    const { agenda } = this.#owner.engine
    const isBusy = this.#step === 'running' || this.#step === 'stopping'
    // Cancel the alarm in two cases:
    // - The handler of this attempt does not run, so no alarm has to stop it.
    // - The handler runs in this process. The engine ignores the end of a lost attempt, so the attempt needs no timeout.
    if (!isBusy || this.#isolated?.isOver !== false) agenda.cancelAlarm(this)
    // If the attempt runs in a child, set an alarm: if the child has not stopped when the alarm rings, the node kills the
    // child.
    else if (this.#step === 'running') agenda.setAlarm(this, this.#stopsWithinMs('lost'))
    else this.hurry()
    if (this.#step === 'running') this.#tellToStop('lost')
  }

  /**
   * Shortens the wait for an aborted handler to {@link abortGraceMs}. After this time, the engine kills the child of an
   * isolated task, or gives up on a handler in this process. If the node releases the occurrence, the engine does not give up
   * on the handler.
   */
  hurry(): void {
    if (this.#step !== 'stopping') return
    const { agenda, clock } = this.#owner.engine
    if (this.heapIndex < 0 || this.at > clock.monotonic() + abortGraceMs) agenda.setAlarm(this, abortGraceMs)
  }

  /** Milliseconds for which the engine waits for an aborted handler. */
  #stopsWithinMs(reason: AbortReason): number {
    const killAfterMs = this.plan.isolated?.killAfterMs ?? abortGraceMs
    return soonBegunElsewhere.includes(reason) ? Math.min(killAfterMs, abortGraceMs) : killAfterMs
  }

  #tellToStop(reason: AbortReason): void {
    this.#on('stop')
    this.#abortReason = reason
    if (this.#context !== null) RunningTaskContext.tellToStop(this.#context, reason)
  }

  #attemptEnded(number: number, succeeded: boolean, value: unknown): void {
    // Ignore the end of the handler if the engine has given up on this handler or has lost the occurrence.
    if (!this.#isUnderWay(number)) return
    this.#owner.engine.agenda.cancelAlarm(this)
    if (!this.#owner.isCompleting(this)) {
      this.#judged(succeeded, value)
      return
    }
    this.#on('decide')
    this.#owner.decide((completion) => {
      if (completion !== null) this.#completedBy(completion)
      else this.#judged(false, succeeded ? notCommitted(this.plan.name) : value)
    })
  }

  #completedBy({ run }: Completion): void {
    this.#on('end')
    const attempt = this.#take(run)
    this.#notes?.ended()
    emitAttemptEnded(this.#owner, this.plan.name, attempt, undefined, null, this.#trace)
    this.#owner.advance()
  }

  #judged(succeeded: boolean, value: unknown): void {
    const { engine } = this.#owner
    this.#on('end')
    const reason = this.#abortReason
    let error: unknown
    let result: JsonValue | undefined
    let state: AttemptState = 'failed'
    if (reason === 'timeout') state = 'timed_out'
    else if (succeeded) {
      try {
        result = resultOf(value)
        state = 'succeeded'
      } catch (unserialisable) {
        error = unserialisable
      }
    } else if (reason !== undefined) state = 'aborted'
    if (state === 'timed_out') error = timeoutError(this.plan)
    else if (!succeeded) error = value
    const endedAt = engine.now()
    const attempt =
      state === 'succeeded' && this.#notes === null
        ? this.#succeed(endedAt)
        : this.#replaceLastAttempt({
            state,
            endedAt,
            ...(state !== 'succeeded' && { error: toErrorRecord(error) }),
            ...(state === 'aborted' && reason !== undefined && { reason }),
            ...this.#notes?.ended(),
          })
    const retryInMs = this.#judge(state, result, error)
    emitAttemptEnded(this.#owner, this.plan.name, attempt, error, retryInMs, this.#trace)
    if (retryInMs !== null) this.announce(retryInMs)
    this.#owner.advance()
  }

  /**
   * Sets the state of the task after an attempt. Returns the ms until the task's retry; `null`: this node does not retry the
   * task.
   */
  #judge(state: AttemptState, result: JsonValue | undefined, error: unknown): number | null {
    if (state === 'succeeded') {
      this.state = 'completed'
      this.result = result
      return null
    }
    const owner = this.#owner
    if (state === 'aborted' && this.#abortReason !== undefined) {
      this.#aborted(this.#abortReason)
      if (isHandOver(this.#abortReason) && owner.plan.settings.onInterrupted === 'fail') {
        this.state = 'failed'
        owner.interrupted()
      }
      return null
    }
    if (owner.misfit !== null) {
      this.state = 'failed'
      owner.failMisfit()
      return null
    }
    let retryInMs = retryDelay(this.plan.settings, failuresOf(this.#kept), () => owner.engine.random())
    const { retryIf } = this.plan
    const allows = () => retryIf === undefined || allowsRetry(owner, () => retryIf(error))
    if (retryInMs !== null && (isNonRetryable(error) || !allows())) {
      retryInMs = null
      this.#reason = 'not_retryable'
    }
    if (retryInMs !== null && owner.mayRetry(this.plan)) return retryInMs
    if (retryInMs !== null && owner.halt?.kind === 'release') {
      this.state = 'retrying'
      this.retryDueAt = owner.engine.now() + Math.round(retryInMs)
      return null
    }
    this.state = 'failed'
    if (this.plan.settings.failureStrategy !== 'continue') owner.failFast()
    return null
  }

  #aborted(reason: AbortReason): void {
    // If this node hands the occurrence back, the next owner retries the task.
    this.state = isHandOver(reason) ? 'retrying' : 'canceled'
    this.#reason = reason
  }

  /**
   * Records a success. Nearly all attempts end here, so the record is written member by member: object spread takes much
   * longer.
   */
  #succeed(endedAt: number): AttemptRecord {
    const last = this.#attempts.at(-1) as AttemptRecord
    const { number, startedAt, traceparent } = last
    return this.#setLastAttempt(
      traceparent === undefined
        ? { number, state: 'succeeded', startedAt, endedAt }
        : { ...last, state: 'succeeded', endedAt },
    )
  }

  #replaceLastAttempt(change: Partial<AttemptRecord>): AttemptRecord {
    return this.#setLastAttempt({ ...(this.#attempts.at(-1) as AttemptRecord), ...change })
  }

  /** Moves the attempt from its present step to the step that follows this event. Returns whether the step has changed. */
  #on(event: EventOf<typeof attemptTransitions>): boolean {
    const next = transition(attemptTransitions, this.#step, event)
    if (next === undefined) return false
    this.#step = next
    return true
  }

  #setLastAttempt(attempt: AttemptRecord): AttemptRecord {
    this.#attempts = this.#attempts.length === 1 ? [attempt] : [...this.#attempts.slice(0, -1), attempt]
    return attempt
  }
}

function resultOf(returned: unknown): JsonValue | undefined {
  return returned === undefined ? undefined : toJsonValue(returned, 'result', 'RESULT_NOT_SERIALISABLE')
}
