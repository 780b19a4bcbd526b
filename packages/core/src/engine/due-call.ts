import { JobistemerError } from '../errors.ts'
import type { CheckedRunDue, RunDueReport } from '../run-due.ts'
import { isFailure } from '../storage/occurrence-record.ts'
import type { Capacity } from './execution/capacity.ts'
import type { Claimer } from './scheduling/claimer.ts'
import type { SlotLauncher } from './scheduling/slot-launcher.ts'
import type { JobRegistry } from './definitions/job-registry.ts'
import type { Alarm } from './runtime/agenda.ts'
import type { EngineContext } from './storage-access/engine-context.ts'
import { firstItems } from './storage-access/retrying-storage.ts'
import type { Reaper } from './maintenance/reaper.ts'
import type { Retainer } from './maintenance/retention.ts'
import type { ExecutionPool } from './execution/execution-pool.ts'
import { lastInstantMs } from '../tuning.ts'

/** Milliseconds until a call checks again for due work that could not begin: the time is in doubt, or no permit is free. */
const lookAgainMs = 50

/** The consecutive phases of a call, in ms. Their sum is below the budget. */
export interface CallTimes {
  /** How long the call begins work. */
  readonly beginsForMs: number
  /** How long running work may continue after that. */
  readonly graceMs: number
  /** How long the call waits for aborted handlers. */
  readonly abortGraceMs: number
  /** How long the call waits for one answer of the storage at its end. It waits for at most two answers. */
  readonly farewellMs: number
}

/** @param abortGraceMs maximum wait of the scheduler for aborted handlers */
export function callTimesOf(budgetMs: number, abortGraceMs: number): CallTimes {
  const abortMs = Math.min(abortGraceMs, Math.floor(budgetMs / 5))
  const farewellMs = Math.min(1000, Math.floor(budgetMs / 20))
  // A reserve for late timers and slow answers.
  const spareMs = Math.min(500, Math.floor(budgetMs / 20))
  const workMs = budgetMs - abortMs - 2 * farewellMs - spareMs
  const beginsForMs = Math.floor(workMs * 0.75)
  return { beginsForMs, graceMs: workMs - beginsForMs, abortGraceMs: abortMs, farewellMs }
}

/** The parts of the node that a call uses. */
export interface CallParts {
  readonly registry: JobRegistry
  readonly capacity: Capacity
  readonly pool: ExecutionPool
  readonly launcher: SlotLauncher
  readonly claimer: Claimer
  readonly reaper: Reaper
  readonly retainer: Retainer
  start(): Promise<void>
  shutDown(graceMs: number, abortGraceMs: number): Promise<void>
}

/**
 * One call of `runDue`: a node that lives until it has no due work, and at most for its budget. The call takes over runs
 * that earlier calls have left behind, runs due work, and shuts down (decision 15).
 */
export class DueCall {
  readonly #engine: EngineContext
  readonly #parts: CallParts
  readonly #times: CallTimes
  readonly #begunAt: number
  readonly #budgetMs: number
  readonly #budget: Alarm = { at: 0, heapIndex: -1, ring: () => this.#end('budget') }
  readonly #ending: Promise<void>
  #resolveEnding: () => void = () => undefined
  #ended: RunDueReport['ended'] | null = null
  #stopping: Promise<void> | null = null
  /** The error that has ended the call; `null`: no error. */
  #failure: { readonly error: unknown } | null = null
  #finished = 0
  #failed = 0
  #handedBack = 0
  #takenOver = 0

  constructor(
    engine: EngineContext,
    parts: CallParts,
    options: { readonly times: CallTimes; readonly budgetMs: number },
  ) {
    this.#engine = engine
    this.#parts = parts
    this.#times = options.times
    this.#budgetMs = options.budgetMs
    this.#begunAt = engine.clock.monotonic()
    this.#ending = new Promise((resolve) => {
      this.#resolveEnding = resolve
    })
    engine.events.on('occurrence.finished', ({ report }) => {
      this.#finished++
      if (isFailure(report.outcome)) this.#failed++
    })
    engine.events.on('occurrence.released', () => this.#handedBack++)
    engine.events.on('occurrence.reaped', () => this.#takenOver++)
  }

  /** Number of occurrences that the call runs. */
  get begun(): number {
    return this.#parts.pool.begun
  }

  /** A caller shuts the scheduler down, maybe while this call ends. If the caller is a hook, this call does not wait for it. */
  shutdownAsked(): void {
    this.#parts.pool.shutdownAsked()
  }

  /** Ends the call before its budget is used up. Resolves when the call is over. */
  async abort(): Promise<void> {
    this.#end('aborted')
    await this.#stopping
  }

  /** Ends the call at once, because it cannot continue. {@link run} rejects with the first error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#end('aborted', { graceMs: 0, abortGraceMs: 0 })
  }

  /**
   * @throws JobistemerError `STORAGE_TIMEOUT` or `ABORTED` if the call ended before it could begin; the error of `start`; the
   * error of {@link fail}
   */
  async run(signal: CheckedRunDue['signal']): Promise<RunDueReport> {
    const abort = (): void => this.#end('aborted')
    signal?.addEventListener('abort', abort, { once: true })
    this.#engine.agenda.setAlarm(this.#budget, this.#times.beginsForMs)
    try {
      if (signal?.aborted) abort()
      await this.#begin()
      const nextAt = await this.#workOff()
      this.#end('idle')
      await this.#stopping
      if (this.#failure !== null) throw this.#failure.error
      return this.#report(nextAt)
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  #end(
    why: RunDueReport['ended'],
    { graceMs, abortGraceMs }: Pick<CallTimes, 'graceMs' | 'abortGraceMs'> = this.#times,
  ): void {
    if (this.#ended !== null) return
    this.#ended = why
    this.#engine.agenda.cancelAlarm(this.#budget)
    this.#stopping = this.#parts.shutDown(why === 'budget' ? graceMs : 0, abortGraceMs)
    this.#resolveEnding()
  }

  /** Resolves when the work is done or the call ends. After the end of the call, errors of the work are ignored. */
  async #orEnding(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.#ending])
    if (this.#ended !== null) work.catch(() => undefined)
  }

  async #begin(): Promise<void> {
    let isStarted = false
    const starting = this.#parts.start().then(() => {
      isStarted = true
    })
    try {
      await this.#orEnding(starting)
    } catch (error) {
      // If the call has ended meanwhile, the code below throws the error of that end.
      if (this.#ended === null) throw error
    }
    if (isStarted) return
    await this.#stopping
    if (this.#failure !== null) throw this.#failure.error
    throw this.#ended === 'budget' ? notBegunInTime(this.#budgetMs) : abortedBefore()
  }

  /** Runs due work. Returns the instant at which work is due next. An error ends the call, and its node with it. */
  async #workOff(): Promise<number | null> {
    try {
      await this.#work()
      return await this.#nextAt()
    } catch (error) {
      // After the end of the call, work in progress may fail because of that end.
      if (this.#ended === null) this.fail(error)
      return null
    }
  }

  async #work(): Promise<void> {
    const { pool, reaper, retainer } = this.#parts
    pool.keepUntil(this.#begunAt + this.#times.beginsForMs + this.#times.graceMs)
    await this.#orEnding(reaper.sweepOnce())
    await this.#orEnding(this.#untilIdle())
    if (this.#ended === null) await this.#orEnding(retainer.passSometimes())
  }

  async #untilIdle(): Promise<void> {
    const { capacity, claimer, launcher, pool } = this.#parts
    while (this.#ended === null) {
      await launcher.launched()
      // Counting missed slots may take minutes. Other work runs meanwhile.
      if (launcher.isRecovering) await this.#orAlarm(launcher.recovered())
      const hasTaken = await claimer.claimed()
      if (pool.size > 0) {
        await pool.emptied()
        continue
      }
      if (hasTaken || launcher.isRecovering) continue
      const now = this.#engine.now()
      const isDue = this.#engine.agenda.peekDueSlot(now) !== undefined
      if (!isDue && !capacity.hasBacklog && !this.#engine.isHeldBack) return
      await this.#orAlarm(null)
    }
  }

  /** Resolves when `work` is done, or after {@link lookAgainMs}. */
  #orAlarm(work: Promise<void> | null): Promise<void> {
    const { agenda } = this.#engine
    return new Promise((resolve) => {
      const alarm = { at: 0, heapIndex: -1, ring: resolve }
      agenda.setAlarm(alarm, lookAgainMs)
      void work?.then(() => {
        agenda.cancelAlarm(alarm)
        resolve()
      })
    })
  }

  /** Returns the instant at which work is due next, as far as this node knows; `null`: unknown, or no work. */
  async #nextAt(): Promise<number | null> {
    if (this.#ended !== null) return null
    const { claimer, registry } = this.#parts
    const known = [this.#engine.agenda.peekSlot()?.at ?? null, claimer.nextDueAt]
    if (registry.loose.isPartial) known.push(await this.#firstStored())
    const instants = known.filter((instant) => instant !== null)
    return instants.length === 0 ? null : Math.min(...instants)
  }

  /** Reads the earliest next slot of all stored jobs, including jobs that this node does not hold. */
  async #firstStored(): Promise<number | null> {
    let first: number | null = null
    const look = async () => {
      const due = { upTo: lastInstantMs }
      const [head] = await firstItems((cursor) =>
        this.#engine.storage.repeated('listJobs', (calls) => calls.listJobs({ due, limit: 1, cursor })),
      )
      first = head?.nextAt ?? null
    }
    await this.#orEnding(look())
    return first
  }

  #report(nextAt: number | null): RunDueReport {
    const { clock, owner } = this.#engine
    const durationMs = clock.monotonic() - this.#begunAt
    const now = this.#engine.now()
    const ended = this.#ended as RunDueReport['ended']
    const isLeft = ended !== 'idle'
    const next = isLeft ? now : nextAt
    return {
      node: owner.node,
      startedAt: new Date(now - Math.round(durationMs)),
      durationMs: Math.round(durationMs),
      ended,
      finished: this.#finished,
      failed: this.#failed,
      handedBack: this.#handedBack,
      leftBehind: this.#parts.pool.size,
      takenOver: this.#takenOver,
      nextAt: next === null ? null : new Date(next),
    }
  }
}

function notBegunInTime(budgetMs: number): JobistemerError {
  return new JobistemerError('STORAGE_TIMEOUT', {
    message: `The storage has not answered in time: nothing could begin within a budget of ${budgetMs} ms.`,
    field: 'budget',
    value: budgetMs,
    remedy: 'Check whether the storage is reachable and how long it takes to answer, or set a larger budget.',
  })
}

function abortedBefore(): JobistemerError {
  return new JobistemerError('ABORTED', {
    message: 'The call was ended before anything could begin.',
    field: 'signal',
    value: 'aborted',
    remedy: 'Call again. The due work is still stored.',
  })
}
