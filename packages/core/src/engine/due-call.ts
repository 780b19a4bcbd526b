import { JobistemerError } from '../errors.ts'
import type { CheckedRunDue, RunDueReport } from '../run-due.ts'
import { isFailure } from '../storage/occurrence-record.ts'
import type { Capacity } from './execution/capacity.ts'
import type { Claimer } from './scheduling/claimer.ts'
import type { SlotLauncher } from './scheduling/slot-launcher.ts'
import type { JobRegistry } from './definitions/job-registry.ts'
import type { Alarm } from './runtime/agenda.ts'
import type { EngineContext } from './storage-access/engine-context.ts'
import { firstItems } from './storage-access/pages.ts'
import type { Reaper } from './maintenance/reaper.ts'
import type { Retainer } from './maintenance/retention.ts'
import type { ExecutionPool } from './execution/execution-pool.ts'
import { lastInstantMs } from '../tuning.ts'

/** What is due and may not begin yet is looked at again after so long: the time is in doubt, or it waits for its turn. */
const lookAgainMs = 50

/** How the time of a call is divided. The parts come one after the other, and their sum is below the budget. */
export interface CallTimes {
  /** Work begins. */
  readonly beginsForMs: number
  /** What runs may go on. */
  readonly graceMs: number
  /** What was told to stop may take so long. */
  readonly abortGraceMs: number
  /** Twice so long at most, where the storage does not answer: the farewell. */
  readonly farewellMs: number
}

/** @param abortGraceMs what the scheduler gives at most to handlers that were told to stop */
export function callTimesOf(budgetMs: number, abortGraceMs: number): CallTimes {
  const abortMs = Math.min(abortGraceMs, Math.floor(budgetMs / 5))
  const farewellMs = Math.min(1000, Math.floor(budgetMs / 20))
  // Timers ring late, and answers take their time.
  const spareMs = Math.min(500, Math.floor(budgetMs / 20))
  const workMs = budgetMs - abortMs - 2 * farewellMs - spareMs
  const beginsForMs = Math.floor(workMs * 0.75)
  return { beginsForMs, graceMs: workMs - beginsForMs, abortGraceMs: abortMs, farewellMs }
}

/** What a call does with the node that it is. */
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
 * One call of `runDue`: a node that lives as long as it has something to do, and no longer than its budget. It takes over
 * what calls before it have left, runs what is due, and shuts down, see decision 15.
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
  /** What has made it end; `null` as long as nothing has gone wrong. */
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

  /** Occurrences that it runs. */
  get begun(): number {
    return this.#parts.pool.begun
  }

  /** Somebody asks for a shutdown of its scheduler, maybe while it is ending already: a hook that does is not waited for. */
  shutdownAsked(): void {
    this.#parts.pool.shutdownAsked()
  }

  /** Ends it before its time. Resolves when it is over. */
  async abort(): Promise<void> {
    this.#end('aborted')
    await this.#stopping
  }

  /** Nothing can be done any more: it ends at once, and rejects with this. The first error counts. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#end('aborted', { graceMs: 0, abortGraceMs: 0 })
  }

  /**
   * @throws JobistemerError `STORAGE_TIMEOUT`, `ABORTED` when it was over before it could begin; what `start` throws; what
   * it has failed with
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

  /** Resolves when this is done or the call is ending; what was not waited for may fail unheard. */
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
      // That it was ended meanwhile is said below.
      if (this.#ended === null) throw error
    }
    if (isStarted) return
    await this.#stopping
    if (this.#failure !== null) throw this.#failure.error
    throw this.#ended === 'budget' ? notBegunInTime(this.#budgetMs) : abortedBefore()
  }

  /** Answers when something is due next. What goes wrong ends the call: its node never outlives it. */
  async #workOff(): Promise<number | null> {
    try {
      await this.#work()
      return await this.#nextAt()
    } catch (error) {
      // What it did not wait for any more may fail of its end.
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
      // To count missed slots may take long: meanwhile others run.
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

  /** Resolves when it is time to look again, or when this is done before. */
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

  /** As far as this node knows while it lives. */
  async #nextAt(): Promise<number | null> {
    if (this.#ended !== null) return null
    const { claimer, registry } = this.#parts
    const known = [this.#engine.agenda.nextSlotAt, claimer.nextDueAt]
    if (registry.loose.isPartial) known.push(await this.#firstStored())
    const instants = known.filter((instant) => instant !== null)
    return instants.length === 0 ? null : Math.min(...instants)
  }

  /** Of jobs that this node does not hold, too. */
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
    remedy: 'Look whether the storage can be reached, and how long it takes to answer; or give a larger budget.',
  })
}

function abortedBefore(): JobistemerError {
  return new JobistemerError('ABORTED', {
    message: 'The call was ended before anything could begin.',
    field: 'signal',
    value: 'aborted',
    remedy: 'Call again: what is due has waited.',
  })
}
