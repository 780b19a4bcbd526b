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
import type { TaskPlan } from '../definitions/job-plan.ts'
import type { IsolatedWork } from '../../job/isolated-work.ts'
import type { Alarm } from '../runtime/agenda.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { perform } from '../runtime/perform.ts'
import { type AbortReason, abortErrorOf, isHandOver, timeoutError } from './abort-errors.ts'
import { attemptOver, type Completion, notCommitted } from './completion.ts'
import { allowsRetry, emitAttemptEnded, emitAttemptProgressed, emitAttemptStarted } from './execution-events.ts'
import { attemptTransitions, type EventOf, type StateOf, transition } from './lifecycles.ts'
import { failuresOf, type KeptAttempts, withAttempt } from './kept-attempts.ts'
import type { KeptLogs } from './kept-logs.ts'
import { toLogLine } from './log-line.ts'
import { resumesAt, retryDelay } from './retry.ts'
import { RunningTaskContext, type TaskContextSource } from './task-context.ts'
import { TaskNotes } from './task-notes.ts'
import { withLostAttempts } from './task-run-records.ts'

/**
 * A handler that does not stop when its signal fires is waited for so long, and then left to itself. Twice that is what the
 * reaper leaves an owner beyond the execution timeout: a child that is killed by then has ended, and that is stored.
 */
const abortGraceMs = 5000

/** After these another node may begin it soon, or has begun it, so a child has no longer to stop than any handler. */
const soonBegunElsewhere: readonly AbortReason[] = ['execution_timeout', 'isolated', 'lost']

const none: readonly AttemptRecord[] = Object.freeze([])

/** The occurrence that a task is part of. */
export interface TaskOwner extends TaskContextSource {
  /** In which isolated tasks run. */
  readonly children: Children
  /** What is kept of what its handlers log. */
  readonly keptLogs: KeptLogs
  /** Nothing has ended it yet: attempts begin, and their ends count. */
  readonly isOpen: boolean
  /** It is to go on with another owner. */
  readonly isHandedBack: boolean
  /** A handler that is interrupted is never called again. */
  readonly failsInterrupted: boolean
  /** Its handler has held the event loop for so long. */
  heldLoop(forMs: number): void
  /** A handler was interrupted that is never called again: the occurrence fails. */
  interrupted(): void
  /** Whether a task of this plan may have a further attempt here. */
  mayRetry(plan: TaskPlan): boolean
  /** Why no handler of it is to be called: its data do not fit. */
  readonly misfit: JobistemerError | null
  /** An attempt has said so: the occurrence fails. */
  failMisfit(): void
  /** Its time is over, and its alarm is about to say so. */
  readonly isOverdue: boolean
  /** There is something to say to the storage. */
  say(): void
  /** There is something that the storage is to be told soon, with whatever else there is to say. */
  noted(): void
  /** A task has failed that the others must not outlive. */
  failFast(): void
  /** A task does nothing for the moment: others may start. */
  advance(): void
  /** The handler of an attempt completes its task in a transaction of its own. */
  complete(
    task: TaskProgress,
    attempt: number,
    completing: { readonly transaction: unknown; readonly result: unknown },
  ): Promise<void>
  /** The handler of this task has said something in a transaction, and what became of it is not known. */
  isCompleting(task: TaskProgress): boolean
  /** Its handler has ended. What the storage has of that; `null`: nothing. Call {@link decided} once that is heeded. */
  decide(): Promise<Completion | null>
  decided(): void
}

/** The course of one task inside a running occurrence: starts its attempts, judges how they end, retries. */
export class TaskProgress implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly plan: TaskPlan
  readonly #owner: TaskOwner
  /** `null` until its first attempt. */
  #state: TaskRunState | null = null
  #step: StateOf<typeof attemptTransitions> = 'none'
  #attempts: readonly AttemptRecord[] = none
  #omitted: OmittedAttempts | undefined = undefined
  #result: JsonValue | undefined = undefined
  #reason: string | undefined = undefined
  #retryDueAt: number | null = null
  /** Why the last attempt was told to stop. */
  #abortReason: AbortReason | undefined = undefined
  /** What the handler of the present or last attempt was given; `null` while the present one has not been called. */
  #context: RunningTaskContext | null = null
  /** Most handlers say nothing. */
  #notes: TaskNotes | null = null
  #trace: AttemptTrace | null = null
  /** The present or last attempt runs elsewhere. */
  #isolated: IsolatedAttempt | null = null

  constructor(plan: TaskPlan, owner: TaskOwner) {
    this.plan = plan
    this.#owner = owner
  }

  get state(): TaskRunState | null {
    return this.#state
  }

  get result(): JsonValue | undefined {
    return this.#result
  }

  /** True when nothing more will happen to it. */
  get ended(): boolean {
    return this.#state === 'completed' || this.#state === 'failed' || this.#state === 'canceled'
  }

  /** It has no attempt at present. */
  get isIdle(): boolean {
    return this.#step === 'none'
  }

  /** Its retry interval ends after this instant of the monotonic clock. */
  waitsBeyond(monotonic: number): boolean {
    return (this.#step === 'announced_early' || this.#step === 'stored_early') && this.at > monotonic
  }

  /** When the retry is to begin that it waits for and has not announced here, in epoch milliseconds; `null`: at once. */
  get retryDueAt(): number | null {
    return this.#retryDueAt
  }

  get #kept(): KeptAttempts {
    return { attempts: this.#attempts, omitted: this.#omitted }
  }

  get #lastAttempt(): AttemptRecord | undefined {
    return this.#attempts.at(-1)
  }

  /** As the storage keeps it. */
  toRecord(): TaskRunRecord | null {
    if (this.#state === null) return null
    const attempts = this.#notes === null ? this.#attempts : this.#notes.addTo(this.#attempts)
    const record = { task: this.plan.name, state: this.#state, attempts }
    if (this.#omitted === undefined && this.#result === undefined && this.#reason === undefined) return record
    return {
      ...record,
      ...(this.#omitted !== undefined && { omitted: this.#omitted }),
      ...(this.#result !== undefined && { result: this.#result }),
      ...(this.#reason !== undefined && { reason: this.#reason }),
    }
  }

  // --------------------------------------------------------------------------------------------------------- beginning

  /** Takes over an attempt of this execution, which the storage has already. */
  begin(record: TaskRunRecord): void {
    this.#state = record.state
    this.#attempts = record.attempts
    this.#on('begin')
  }

  /** Takes over what an earlier owner left: its unfinished attempt is lost. */
  resume(record: TaskRunRecord, now: number): void {
    this.#state = record.state
    this.#result = record.result
    this.#attempts = withLostAttempts(record, now).attempts
    this.#omitted = record.omitted
    if (record.attempts.some(({ logs }) => logs !== undefined)) this.#takeNotes().takeOver(record.attempts)
    // Why it was handed back is said by its attempt, and is not why it will end.
    if (this.ended) this.#reason = record.reason
    else {
      this.#state = 'retrying'
      this.#retryDueAt = resumesAt(this.plan.settings, this.#kept, now)
    }
  }

  /** The first attempt of an occurrence that has waited for its place begins now. */
  startsAt(now: number): void {
    const last = this.#lastAttempt
    if (this.#step !== 'stored' || last === undefined || last.startedAt === now) return
    this.#setLastAttempt({ ...last, startedAt: now })
  }

  /** Its present attempt, which the storage has already, belongs to a trace. Answers whether it has one. */
  traced(traceparent: string): boolean {
    if (this.#step !== 'stored') return false
    this.#replaceLastAttempt({ traceparent })
    return true
  }

  /** Tells the storage of its first attempt, or of the first one after those of an earlier owner. */
  announceFirst(): void {
    const dueAt = this.#retryDueAt
    this.announce(dueAt === null ? 0 : Math.max(0, dueAt - this.#owner.engine.now()))
  }

  /** Tells the storage of the next attempt, which begins after a delay. */
  announce(delayMs: number): void {
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
    this.#state = number === 1 ? 'running' : 'retrying'
    this.#on(waits ? 'announce_early' : 'announce')
    this.#abortReason = undefined
    this.#context = null
    this.#retryDueAt = null
    if (waits) engine.agenda.setAlarm(this, delayMs)
    this.#owner.say()
  }

  /** The storage has the attempt of this number. */
  stored(number: number | undefined): void {
    if (this.#lastAttempt?.number !== number) return
    if (this.#on('acknowledge')) this.callIfStored()
  }

  /** Calls the handler if nothing is left to wait for. */
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
    const calledAt = engine.clock.monotonic()
    try {
      if (this.#owner.misfit !== null) throw this.#owner.misfit
      returned = this.#callWithin(trace, context)
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
    } finally {
      this.#owner.heldLoop(engine.clock.monotonic() - calledAt)
    }
    this.#attemptEnded(number, true, returned)
  }

  #callWithin(trace: AttemptTrace | null, context: RunningTaskContext): unknown {
    const call = (): unknown => this.#call(context)
    return perform(this.#owner.engine, trace === null ? call : () => trace.within(call))
  }

  #call(context: RunningTaskContext): unknown {
    if (this.plan.isolated !== null) return this.#runIsolated(this.plan.isolated, context)
    const answer = this.plan.run(context as never)
    // What is no promise of the language may throw in its `then`, call both functions, or begin its work there.
    return isThenable(answer) ? Promise.resolve(answer) : answer
  }

  #startTimeout(): void {
    const { taskTimeoutMs } = this.plan.settings
    // Without a timeout of its own, the attempt ends with the execution's alarm.
    if (taskTimeoutMs !== null) this.#owner.engine.agenda.setAlarm(this, taskTimeoutMs)
  }

  #runIsolated(work: IsolatedWork, context: RunningTaskContext): Promise<JsonValue | undefined> {
    const { engine, children } = this.#owner
    // Its time begins when it has its child.
    engine.agenda.cancelAlarm(this)
    this.#isolated = new IsolatedAttempt(engine, children, { work, context, onBegin: () => this.#startTimeout() })
    return this.#isolated.result
  }

  // ------------------------------------------------------------------------------------------- what its handler says

  /** The handler of this attempt says how far it has come. Once that has ended, it says nothing any more. */
  progress(number: number, fraction: number, message: string | null): void {
    if (!this.#isUnderWay(number)) return
    this.#takeNotes().progressed({ fraction, message, at: this.#owner.engine.now() })
    this.#owner.noted()
  }

  /** The handler of this attempt has logged a line that is to be kept. */
  log(number: number, level: LogLevel, fields: unknown, message: unknown): void {
    if (!this.#isUnderWay(number) || !this.#owner.keptLogs.isKeeping) return
    this.#takeNotes().logged(number, toLogLine(this.#owner.engine.now(), level, fields, message))
    this.#owner.noted()
  }

  complete(number: number, transaction: unknown, result: unknown): Promise<void> {
    return this.#owner.complete(this, number, { transaction, result })
  }

  /** Of the attempt whose handler runs. */
  signal(): AbortSignal {
    return (this.#context as RunningTaskContext).signal
  }

  /** @throws JobistemerError what its signal has fired with, or `ATTEMPT_OVER`, when its handler may not complete it (any more) */
  assertUnderWay(number: number): void {
    const { name } = this.plan
    if (this.#lastAttempt?.number === number && this.#abortReason !== undefined) {
      throw abortErrorOf(this.plan, this.#abortReason)
    }
    if (!this.#isUnderWay(number)) throw attemptOver(name, number)
  }

  /** Its record if the attempt under way completes it now. @throws JobistemerError for a result that cannot be kept */
  completedRun(returned: unknown): TaskRunRecord {
    const result = resultOf(returned)
    const last = this.#attempts.at(-1) as AttemptRecord
    const attempts = this.#attempts.slice(0, -1)
    attempts.push({ ...last, state: 'succeeded', endedAt: this.#owner.engine.now() })
    return {
      task: this.plan.name,
      state: 'completed',
      attempts: this.#notes === null ? attempts : this.#notes.addTo(attempts),
      ...(this.#omitted !== undefined && { omitted: this.#omitted }),
      ...(result !== undefined && { result }),
    }
  }

  /** What was said in a transaction was committed after the handler had ended, and after that was judged. */
  adopt({ run }: Completion): void {
    this.#owner.engine.agenda.cancelAlarm(this)
    this.#on('abort')
    this.#take(run)
  }

  #take({ attempts, omitted, result }: TaskRunRecord): AttemptRecord {
    this.#attempts = attempts
    this.#omitted = omitted
    this.#state = 'completed'
    this.#result = result
    this.#reason = undefined
    return attempts.at(-1) as AttemptRecord
  }

  /** The listeners are told how far it has come, if it has said so since. */
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

  /** A task's timeout, the end of its retry interval, or of the time that it was given to stop. */
  ring(): void {
    if (this.#on('due')) this.callIfStored()
    else if (this.#step === 'running') {
      this.#tellToStop('timeout')
      this.#owner.engine.agenda.setAlarm(this, this.#stopsWithinMs('timeout'))
    } else if (this.#step === 'stopping' && !this.#killIsolated()) {
      // Released work may be taken by a peer at once, so a shutdown never gives up on a handler that still runs.
      if (!this.#owner.isHandedBack) this.#giveUpAttempt()
    }
  }

  /** Ends its present attempt. A handler that runs is told to stop, and has some time to do so. */
  abort(reason: AbortReason): void {
    if (this.#step === 'none' || this.#step === 'deciding') return
    const { agenda } = this.#owner.engine
    if (this.#step === 'stopping') {
      // Nobody waited for its end any more, since it was to be handed back. What is to end now needs one.
      if (this.heapIndex < 0) agenda.setAlarm(this, this.#stopsWithinMs(reason))
      return
    }
    if (this.#step === 'running') {
      agenda.setAlarm(this, this.#stopsWithinMs(reason))
      this.#tellToStop(reason)
      return
    }
    // Its handler has not been called yet, and will not be.
    agenda.cancelAlarm(this)
    const isEarly = this.#step === 'announced_early' || this.#step === 'stored_early'
    if (isEarly) this.#retryDueAt = this.#lastAttempt?.startedAt ?? null
    this.#on('abort')
    this.#abortReason = reason
    this.#replaceLastAttempt({ state: 'aborted', endedAt: this.#owner.engine.now(), reason })
    this.#aborted(reason)
  }

  /** The storage cannot keep what its last attempt returned or threw. */
  refuse(error: unknown): void {
    const last = this.#lastAttempt
    if (last === undefined || (this.#result === undefined && last.error === undefined)) return
    const refusal = new JobistemerError('STORAGE_REFUSED', {
      message: `The storage cannot keep what task ${JSON.stringify(this.plan.name)} returned or threw.`,
      field: this.#result === undefined ? 'error' : 'result',
      value: error instanceof Error ? error.message : error,
      remedy: 'Return less, or something simpler, and hand on where the rest is.',
      cause: error,
    })
    const { name, message, code } = toErrorRecord(refusal)
    this.#attempts = this.#attempts.map((attempt) =>
      attempt.error === undefined ? attempt : { ...attempt, error: { name: 'Error', message: 'not kept' } },
    )
    this.#replaceLastAttempt({ state: 'failed', error: { name, message, ...(code !== undefined && { code }) } })
    if (this.#result === undefined) return
    this.#result = undefined
    this.#state = 'failed'
  }

  /** It ends without a further attempt. */
  giveUp(reason: AbortReason): void {
    this.#state = 'canceled'
    this.#reason = reason
  }

  /** Another owner has the occurrence: what the handler does changes nothing any more. */
  lose(): void {
    const { agenda } = this.#owner.engine
    if (this.#isolated?.isOver === false) {
      // Its child is killed all the same if it does not stop.
      if (this.#step === 'running') agenda.setAlarm(this, this.#stopsWithinMs('lost'))
      else this.hurry()
    } else agenda.cancelAlarm(this)
    if (this.#step === 'running') this.#tellToStop('lost')
  }

  /** A handler that was told to stop before, and has longer for that than one that is told now, has no longer than that. */
  hurry(): void {
    if (this.#step !== 'stopping') return
    const { agenda, clock } = this.#owner.engine
    if (this.heapIndex < 0 || this.at > clock.monotonic() + abortGraceMs) agenda.setAlarm(this, abortGraceMs)
  }

  /** For so long a handler that was told to stop is waited for. */
  #stopsWithinMs(reason: AbortReason): number {
    const killAfterMs = this.plan.isolated?.killAfterMs ?? abortGraceMs
    return soonBegunElsewhere.includes(reason) ? Math.min(killAfterMs, abortGraceMs) : killAfterMs
  }

  /** Answers whether its end is to be waited for. */
  #killIsolated(): boolean {
    const isolated = this.#isolated
    if (isolated === null || isolated.isOver || isolated.wasKilled) return false
    isolated.kill()
    this.#owner.engine.agenda.setAlarm(this, abortGraceMs)
    return true
  }

  #tellToStop(reason: AbortReason): void {
    this.#on('stop')
    this.#abortReason = reason
    if (this.#context !== null) RunningTaskContext.tellToStop(this.#context, reason)
  }

  #giveUpAttempt(): void {
    const reason = this.#abortReason
    if (reason !== undefined) {
      this.#attemptEnded(this.#lastAttempt?.number ?? 0, false, abortErrorOf(this.plan, reason))
    }
  }

  #attemptEnded(number: number, succeeded: boolean, value: unknown): void {
    // A handler that was given up earlier comes back here too late to matter.
    if (!this.#isUnderWay(number)) return
    this.#owner.engine.agenda.cancelAlarm(this)
    if (!this.#owner.isCompleting(this)) {
      this.#judged(succeeded, value)
      return
    }
    const { engine } = this.#owner
    this.#on('decide')
    this.#owner
      .decide()
      .then((completion) => {
        if (!this.#owner.isOpen) return
        if (completion !== null) this.#completedBy(completion)
        else if (succeeded) this.#judged(false, notCommitted(this.plan.name))
        else this.#judged(false, value)
        this.#owner.decided()
      })
      .catch((error) => failInBackground(engine, 'complete', error))
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

  /** Decides what becomes of the task when an attempt has ended; answers the delay of its retry, if there is one. */
  #judge(state: AttemptState, result: JsonValue | undefined, error: unknown): number | null {
    if (state === 'succeeded') {
      this.#state = 'completed'
      this.#result = result
      return null
    }
    const owner = this.#owner
    if (state === 'aborted' && this.#abortReason !== undefined) {
      this.#aborted(this.#abortReason)
      if (isHandOver(this.#abortReason) && owner.failsInterrupted) {
        this.#state = 'failed'
        owner.interrupted()
      }
      return null
    }
    if (owner.misfit !== null) {
      this.#state = 'failed'
      owner.failMisfit()
      return null
    }
    let retryInMs = retryDelay(this.plan.settings, failuresOf(this.#kept), () => owner.engine.random())
    if (retryInMs !== null && !this.#isRetryable(error)) {
      retryInMs = null
      this.#reason = 'not_retryable'
    }
    if (retryInMs !== null && owner.mayRetry(this.plan)) return retryInMs
    if (retryInMs !== null && owner.isHandedBack) {
      this.#state = 'retrying'
      this.#retryDueAt = owner.engine.now() + Math.round(retryInMs)
      return null
    }
    this.#state = 'failed'
    if (this.plan.settings.failureStrategy !== 'continue') owner.failFast()
    return null
  }

  #isRetryable(error: unknown): boolean {
    if (isNonRetryable(error)) return false
    const { retryIf } = this.plan
    return retryIf === undefined || allowsRetry(this.#owner, () => retryIf(error))
  }

  #aborted(reason: AbortReason): void {
    // What was stopped to be handed back is tried again by the next owner.
    this.#state = isHandOver(reason) ? 'retrying' : 'canceled'
    this.#reason = reason
  }

  /** Nearly all attempts end so. Member by member, because a spread of objects takes much longer. */
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

  /** Returns whether the event changes the step. */
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
