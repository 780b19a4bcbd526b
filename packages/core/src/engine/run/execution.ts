import { type JsonValue, toJsonValue } from '../../json.ts'
import type { ExecutionReport } from '../../report.ts'
import type { AttemptRecord, AttemptState, FinalState, TaskRunRecord } from '../../storage/occurrence-record.ts'
import type { SettleAnswer, SettleChange, SettleItem } from '../../storage/storage.ts'
import { abortError, timeoutError } from './abort-errors.ts'
import type { Alarm } from '../loop/agenda.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { toErrorRecord } from './error-record.ts'
import { reportOf } from './execution-report.ts'
import { ExecutionVoice } from './execution-voice.ts'
import type { JobPlan } from '../jobs/job-plan.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import { retryDelay } from './retry.ts'
import type { Settler, Settling } from './settler.ts'
import type { StartedOccurrence } from './started-occurrence.ts'
import { RunningOccurrenceContext, RunningTaskContext, type TaskContextSource } from './task-context.ts'
import { type AbortReason, abandoned, isHandOver, type TaskOwner, TaskProgress } from './task-progress.ts'

/** A handler that does not stop when its signal fires is waited for so long, and then left to itself. */
const abortGraceMs = 5000

/** What an execution tells whoever started it. */
export interface ExecutionOwner {
  readonly engine: EngineContext
  readonly settler: Settler
  /** Its tasks have ended; what is left is to say so. It needs no place any more. */
  closing(execution: Execution): void
  /** It is over for this node: finished, released, lost. */
  closed(execution: Execution): void
  /** Its `onComplete` was called: a shutdown waits for it. */
  reporting(hook: Promise<void>): void
  /** An occurrence waits for a free node now: this one, handed back, or another that its end woke. */
  woken(): void
}

/** Why an execution ends apart from what its tasks do. */
type Halt =
  | { readonly kind: 'finish'; readonly state: FinalState; readonly reason: string }
  | { readonly kind: 'release'; readonly reason: string }

const notHalted = null

// Shared by all executions, of which there may be tens of thousands a second.
const noRuns: readonly TaskRunRecord[] = Object.freeze([])
const progressed: SettleChange = Object.freeze({ kind: 'progress' })
const completed: SettleChange = Object.freeze({ kind: 'finish', state: 'completed', reason: null })

/**
 * One occurrence running on this node: starts attempts, judges how they end, decides what comes next, and says it all
 * to the storage. A handler is called only once its attempt is in the storage.
 */
export class Execution implements Settling, Alarm, TaskOwner, TaskContextSource {
  at: number = 0
  heapIndex: number = -1
  readonly job: RegisteredJob
  readonly occurrence: StartedOccurrence
  readonly #owner: ExecutionOwner
  readonly engine: EngineContext
  readonly #plan: JobPlan
  readonly #voice: ExecutionVoice
  readonly #tasks: readonly TaskProgress[]
  /** Runs of tasks that the plan does not have (any more). */
  readonly #foreignRuns: readonly TaskRunRecord[]
  #sequence = 0
  #beganAt = 0
  #phase: 'open' | 'closing' | 'closed' = 'open'
  #saying = false
  #failedFast = false
  #halt: Halt | null = notHalted
  #finalChange: SettleChange | null = null
  #finalRuns: readonly TaskRunRecord[] = noRuns

  /**
   * `runs` are what the storage has. With `fresh` its attempts are this execution's own, just started; otherwise they
   * are an earlier owner's.
   */
  constructor(
    owner: ExecutionOwner,
    options: {
      readonly job: RegisteredJob
      readonly plan: JobPlan
      readonly occurrence: StartedOccurrence
      readonly runs: readonly TaskRunRecord[]
      readonly fresh: boolean
    },
  ) {
    this.#owner = owner
    this.engine = owner.engine
    this.job = options.job
    this.occurrence = options.occurrence
    this.#plan = options.plan
    this.#voice = new ExecutionVoice(this)
    this.#tasks = options.plan.tasks.map((task) => new TaskProgress(task, this))
    const { runs, fresh } = options
    for (let index = 0; index < this.#tasks.length; index++) {
      const task = this.#tasks[index] as TaskProgress
      const run = runs[index]?.task === task.plan.name ? runs[index] : runs.find((one) => one.task === task.plan.name)
      if (run === undefined) continue
      if (fresh) {
        task.state = run.state
        task.attempts = run.attempts.slice()
        task.activity = 'starting'
        task.durable = true
      } else {
        task.resume(run, options.occurrence.startedAt)
        if (task.state === 'failed' && task.plan.settings.failureStrategy !== 'continue') this.#failedFast = true
      }
    }
    this.#foreignRuns = fresh ? noRuns : this.#runsWithoutTask(runs)
  }

  #runsWithoutTask(runs: readonly TaskRunRecord[]): TaskRunRecord[] {
    const how = { state: 'canceled', reason: 'no_handler', now: this.occurrence.startedAt } as const
    return runs
      .filter((run) => !this.#tasks.some((task) => task.plan.name === run.task))
      .map((run) => abandoned(run, how))
  }

  /** Milliseconds since it was started. */
  get runningMs(): number {
    return this.engine.clock.monotonic() - this.#beganAt
  }

  /** Starts it; the storage says that it is this node's. */
  start(): void {
    this.#beganAt = this.engine.clock.monotonic()
    this.#voice.started()
    const { startedAt, executionTimeoutMs } = this.occurrence
    const now = this.engine.now()
    const leftMs = Math.min(startedAt + executionTimeoutMs - now, executionTimeoutMs)
    if (leftMs <= 0) {
      // The answer was on its way for too long: others may have it by now.
      this.ring()
      return
    }
    this.engine.agenda.setAlarm(this, leftMs)
    for (const task of this.#tasks) task.startsAt(now)
    const { onStart } = this.job.job
    if (onStart === undefined) this.#begin()
    else {
      this.#voice
        .callHook('onStart', () => onStart(new RunningOccurrenceContext(this)))
        .then(() => this.#begin())
        .catch((error) => this.engine.fail('start', error))
    }
  }

  /** Somebody wants it to end: its attempts are aborted, and it finishes as `canceled`. */
  cancel(reason: string): void {
    this.#stop({ kind: 'finish', state: 'canceled', reason }, 'canceled')
  }

  /** The node goes down: attempts are told to stop; what has not ended then is handed back. */
  shutDown(): void {
    this.#stop({ kind: 'release', reason: 'shutdown' }, 'shutdown')
  }

  /** It was taken ahead and has found no place: it is handed back untouched. */
  handBack(): void {
    this.#stop({ kind: 'release', reason: 'no_place' }, 'no_place')
  }

  /** The execution timeout. */
  ring(): void {
    this.#stop({ kind: 'finish', state: 'failed', reason: 'execution_timeout' }, 'execution_timeout')
  }

  takeItem(now: number): SettleItem | null {
    this.#saying = false
    if (this.#phase === 'closed') return null
    this.#sequence++
    const { id, jobId, scheduledAt, token } = this.occurrence
    const runs = this.#runs()
    let change = progressed
    if (this.#phase === 'closing') {
      change = this.#finalOutcome(now)
      this.#finalRuns = runs
      this.#finalChange = change
    }
    return { id, jobId, scheduledAt, token, sequence: this.#sequence, runs, change }
  }

  settled(item: SettleItem, answer: SettleAnswer): void {
    if (this.#phase === 'closed') return
    if (answer.outcome === 'lost') {
      this.lose()
      return
    }
    if (this.#finalChange !== null) {
      const change = this.#finalChange
      this.#close(change)
      // A storage tells the other nodes, if it tells anybody.
      if (answer.woken !== null || change.kind === 'release') this.#owner.woken()
      return
    }
    for (const run of item.runs) {
      const task = this.#tasks.find((one) => one.plan.name === run.task)
      if (task === undefined || task.activity !== 'starting' || task.durable) continue
      if (task.lastAttempt?.number !== run.attempts.at(-1)?.number) continue
      task.durable = true
      this.#callWhenReady(task)
    }
    if (answer.cancelRequested !== null) this.cancel(answer.cancelRequested)
  }

  #begin(): void {
    if (this.#phase !== 'open') return
    for (const task of this.#tasks) this.#callWhenReady(task)
    this.#advance()
  }

  /** Starts whatever may start now, and ends the occurrence when nothing is left. */
  #advance(): void {
    if (this.#phase !== 'open') return
    const parallel = this.#plan.settings.taskExecutionMode === 'parallel'
    let open = false
    for (const task of this.#tasks) {
      if (task.ended) continue
      if (task.activity === 'idle' && this.#halt === notHalted) {
        if (this.#failedFast && !task.plan.alwaysRuns) this.#giveUp(task, 'fail_fast')
        else this.#writeAhead(task, 0)
      }
      if (task.activity === 'idle') continue
      open = true
      if (!parallel) break
    }
    if (open) return
    this.#phase = 'closing'
    // First, so that what starts in its place is on its way before: the storage then ends the one while the other runs.
    this.#owner.closing(this)
    this.#say()
  }

  #writeAhead(task: TaskProgress, delayMs: number): void {
    const number = (task.lastAttempt?.number ?? 0) + 1
    const waits = delayMs > 0
    const attempt: AttemptRecord = {
      number,
      state: waits ? 'waiting' : 'running',
      startedAt: this.engine.now() + Math.round(delayMs),
      endedAt: null,
    }
    task.attempts = [...task.attempts, attempt]
    task.state = number === 1 ? 'running' : 'retrying'
    task.activity = 'starting'
    task.durable = false
    task.due = !waits
    task.abortReason = undefined
    task.controller = undefined
    if (waits) this.engine.agenda.setAlarm(task, delayMs)
    this.#say()
  }

  /** A process that stood still finds several alarms due at once, and the execution timeout may not be the first. */
  #isOverdue(): boolean {
    return this.heapIndex >= 0 && this.engine.clock.monotonic() >= this.at
  }

  #callWhenReady(task: TaskProgress): void {
    if (task.activity !== 'starting' || !task.durable || !task.due) return
    if (this.#isOverdue()) {
      this.ring()
      return
    }
    const attempt = task.lastAttempt
    if (attempt === undefined) return
    const { number } = attempt
    if (attempt.state === 'waiting') task.replaceLastAttempt({ state: 'running', startedAt: this.engine.now() })
    task.activity = 'running'
    this.engine.agenda.setAlarm(task, task.plan.settings.taskTimeoutMs)
    this.#voice.attemptStarted(task.plan.name, number)
    const context = new RunningTaskContext(this, task, number)
    let returned: unknown
    try {
      returned = task.plan.run(context as never)
    } catch (error) {
      this.#attemptEnded(task, number, false, error)
      return
    }
    if (!isThenable(returned)) {
      this.#attemptEnded(task, number, true, returned)
      return
    }
    returned.then(
      (value) => this.#attemptEnded(task, number, true, value),
      (error) => this.#attemptEnded(task, number, false, error),
    )
  }

  #attemptEnded(task: TaskProgress, number: number, succeeded: boolean, value: unknown): void {
    // A handler that was given up earlier comes back here too late to matter.
    if (this.#phase !== 'open' || task.activity !== 'running' || task.lastAttempt?.number !== number) return
    this.engine.agenda.cancelAlarm(task)
    task.activity = 'idle'
    let error: unknown
    let result: JsonValue | undefined
    let state: AttemptState = 'failed'
    if (task.abortReason === 'timeout') state = 'timed_out'
    else if (succeeded) {
      try {
        result = value === undefined ? undefined : toJsonValue(value, 'result', 'RESULT_NOT_SERIALISABLE')
        state = 'succeeded'
      } catch (unserialisable) {
        error = unserialisable
      }
    } else if (task.abortReason !== undefined) state = 'aborted'
    if (state === 'timed_out') error = timeoutError(task)
    else if (!succeeded) error = value
    task.replaceLastAttempt({
      state,
      endedAt: this.engine.now(),
      ...(state !== 'succeeded' && { error: toErrorRecord(error) }),
      ...(state === 'aborted' && task.abortReason !== undefined && { reason: task.abortReason }),
    })
    const retryInMs = this.#judge(task, state, result)
    this.#voice.attemptEnded(task, error, retryInMs)
    if (retryInMs !== null) this.#writeAhead(task, retryInMs)
    this.#advance()
  }

  /** Decides what becomes of a task whose attempt has ended; answers the delay of its retry, if there is one. */
  #judge(task: TaskProgress, state: AttemptState, result: JsonValue | undefined): number | null {
    if (state === 'succeeded') {
      task.state = 'completed'
      task.result = result
      return null
    }
    if (state === 'aborted') {
      // What was stopped to be handed back is tried again by the next owner.
      task.state = isHandOver(task.abortReason) ? 'retrying' : 'canceled'
      task.reason = task.abortReason
      return null
    }
    const stopped = this.#halt !== notHalted || (this.#failedFast && !task.plan.alwaysRuns)
    const retryInMs = retryDelay(task.plan.settings, task.attempts, () => this.engine.random())
    if (retryInMs !== null && !stopped) return retryInMs
    if (retryInMs !== null && this.#halt?.kind === 'release') {
      task.state = 'retrying'
      return null
    }
    task.state = 'failed'
    if (task.plan.settings.failureStrategy !== 'continue') this.#failFast()
    return null
  }

  #failFast(): void {
    this.#failedFast = true
    for (const task of this.#tasks) if (!task.plan.alwaysRuns) this.#abort(task, 'fail_fast')
  }

  #stop(halt: Halt, reason: AbortReason): void {
    // The first reason holds, but a shutdown gives way to one that decides the outcome.
    if (this.#phase !== 'open' || (this.#halt !== notHalted && this.#halt.kind === 'finish')) return
    this.#halt = halt
    for (const task of this.#tasks) this.#abort(task, reason)
    this.#advance()
  }

  #abort(task: TaskProgress, reason: AbortReason): void {
    if (task.activity === 'idle' || task.abortReason !== undefined) return
    task.abortReason = reason
    const { agenda } = this.engine
    if (task.activity === 'running') {
      agenda.setAlarm(task, abortGraceMs)
      task.controller?.abort(abortError(reason))
      return
    }
    // Its handler has not been called yet, and will not be.
    agenda.cancelAlarm(task)
    task.activity = 'idle'
    task.replaceLastAttempt({ state: 'aborted', endedAt: this.engine.now(), reason })
    this.#judge(task, 'aborted', undefined)
  }

  #giveUp(task: TaskProgress, reason: AbortReason): void {
    task.state = 'canceled'
    task.reason = reason
  }

  /** A task's timeout, the end of its retry interval, or of the time that it was given to stop. */
  taskAlarm(task: TaskProgress): void {
    if (task.activity === 'starting') {
      task.due = true
      this.#callWhenReady(task)
    } else if (task.activity === 'running') {
      const number = task.lastAttempt?.number ?? 0
      if (task.abortReason === undefined) {
        task.abortReason = 'timeout'
        this.engine.agenda.setAlarm(task, abortGraceMs)
        task.controller?.abort(timeoutError(task))
      } else if (this.#halt?.kind !== 'release') {
        // Released work may be taken by a peer at once, so a shutdown never gives up on a handler that still runs.
        this.#attemptEnded(task, number, false, abortError(task.abortReason))
      }
    }
  }

  #finalOutcome(now: number): SettleChange {
    const tasks = this.#tasks
    if (this.#halt?.kind === 'release' && tasks.some((task) => !task.ended)) {
      return { kind: 'release', dueAt: now, reason: this.#halt.reason }
    }
    if (this.#halt?.kind === 'finish') return this.#halt
    if (this.#failedFast) return { kind: 'finish', state: 'failed', reason: 'fail_fast' }
    const failed = tasks.some((task) => task.state === 'failed')
    return failed ? { kind: 'finish', state: 'completed_with_errors', reason: null } : completed
  }

  #runs(): TaskRunRecord[] {
    const releasing = this.#halt?.kind === 'release'
    const runs: TaskRunRecord[] = this.#foreignRuns.slice()
    for (const task of this.#tasks) {
      if (this.#phase === 'closing' && !releasing && !task.ended) {
        this.#giveUp(task, this.#halt === notHalted ? 'fail_fast' : haltReason(this.#halt))
      }
      const record = task.toRecord()
      if (record !== null) runs.push(record)
    }
    return runs
  }

  results(): Readonly<Record<string, JsonValue | undefined>> {
    const results: Record<string, JsonValue | undefined> = { ...this.occurrence.details.results }
    for (const task of this.#tasks) if (task.state === 'completed') results[task.plan.name] = task.result
    return results
  }

  signalOf(task: TaskProgress): AbortSignal {
    if (task.controller === undefined) {
      task.controller = new AbortController()
      if (task.abortReason === 'timeout') task.controller.abort(timeoutError(task))
      else if (task.abortReason !== undefined) task.controller.abort(abortError(task.abortReason))
    }
    return task.controller.signal
  }

  #say(): void {
    if (this.#saying) return
    this.#saying = true
    this.#owner.settler.enqueue(this)
  }

  /** Another owner has it: its handlers are told, and what they do changes nothing any more. */
  lose(): void {
    this.#phase = 'closed'
    this.engine.agenda.cancelAlarm(this)
    for (const task of this.#tasks) {
      this.engine.agenda.cancelAlarm(task)
      if (task.activity === 'running' && task.abortReason === undefined) {
        task.abortReason = 'lost'
        task.controller?.abort(abortError('lost'))
      }
    }
    this.#voice.lost()
    this.#owner.closed(this)
  }

  #close(change: SettleChange): void {
    this.#phase = 'closed'
    this.engine.agenda.cancelAlarm(this)
    this.#owner.closed(this)
    if (change.kind === 'release') this.#voice.released(change.reason)
    else if (change.kind === 'finish') this.#tell(change.state, change.reason)
  }

  #tell(outcome: FinalState, reason: string | null): void {
    const { onComplete } = this.job.job
    if (onComplete === undefined && !this.engine.events.hears('occurrence.finished')) return
    const report = this.#report(outcome, reason)
    this.#voice.finished(report)
    if (onComplete !== undefined) this.#owner.reporting(this.#voice.callHook('onComplete', () => onComplete(report)))
  }

  #report(outcome: FinalState, reason: string | null): ExecutionReport {
    return reportOf({
      jobName: this.job.job.name,
      plan: this.#plan,
      occurrence: this.occurrence,
      runs: this.#finalRuns,
      outcome,
      reason,
      finishedAt: this.engine.now(),
    })
  }
}

function haltReason(halt: Halt): AbortReason {
  if (halt.kind === 'release') return 'shutdown'
  return halt.state === 'canceled' ? 'canceled' : 'execution_timeout'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
