import { longestWaitMs } from './execution/tuning.ts'
import { JobistemerError } from '../errors.ts'
import type { EventHub } from '../events.ts'
import type { CheckedRunDue, RunDueReport } from '../run-due.ts'
import { isFailure } from '../storage/occurrence-record.ts'
import type { Claimer } from './scheduling/claimer.ts'
import type { SlotLauncher } from './scheduling/slot-launcher.ts'
import type { Alarm } from './runtime/agenda.ts'
import type { EngineContext } from './storage-access/engine-context.ts'
import { firstItems } from '../storage/pages.ts'
import type { Recovery } from './scheduling/recovery.ts'
import type { Peers } from './cluster/peers.ts'
import type { Reaper } from './maintenance/reaper.ts'
import type { Retainer } from './maintenance/retention.ts'
import type { NodeParts } from './execution/execution-pool.ts'
import { lookMs } from '../tuning.ts'

/** The durations of the phases of a `runDue` call, in ms. Their sum is below the budget of the call. */
interface CallTimes {
  /** Length of the phase in which the call begins new runs, in ms. */
  readonly beginsForMs: number
  /** How long runs in progress may continue after the call has stopped beginning new runs. */
  readonly graceMs: number
  /** How long the call waits for aborted handlers to end. */
  readonly abortGraceMs: number
  /** How long the call waits for killed children to end. */
  readonly killGraceMs: number
  /** How long the call waits for one answer of the storage during its shutdown. The shutdown waits for at most two answers. */
  readonly farewellMs: number
}

/**
 * Divides the budget of a `runDue` call among its phases. `abortGraceMs`: the scheduler's maximum wait for aborted handlers.
 */
export function callTimesOf(budgetMs: number, abortGraceMs: number): CallTimes {
  const abortMs = Math.min(abortGraceMs, Math.floor(budgetMs / 5))
  const farewellMs = Math.min(lookMs, Math.floor(budgetMs / 20))
  // Reserve for killed children, late timers and slow storage answers, in ms.
  const spareMs = Math.min(500, Math.floor(budgetMs / 20))
  const workMs = budgetMs - abortMs - 2 * farewellMs - spareMs
  const beginsForMs = Math.floor(workMs * 0.75)
  return { beginsForMs, graceMs: workMs - beginsForMs, abortGraceMs: abortMs, killGraceMs: spareMs / 2, farewellMs }
}

/** The options of a node that lives for one call of `runDue`. */
export interface CallOf {
  readonly budgetMs: number
  readonly times: CallTimes
  /** The events of the scheduler on which `runDue` was called. */
  readonly events: EventHub
}

/** The node that lives for one call of `runDue`. */
export interface CallingNode extends EngineContext, NodeParts {
  readonly launcher: SlotLauncher
  readonly claimer: Claimer
  readonly reaper: Reaper
  readonly recovery: Recovery
  readonly retainer: Retainer
  start(): Promise<void>
  stop(graceMs: number, abortGraceMs: number): Promise<void>
}

/** One call of `runDue` in progress. */
export interface DueCall {
  /**
   * Resolves with the report of the call. Rejects if the call of `runDue` ended before its node had started, or with the error
   * that was passed to {@link fail}.
   */
  readonly report: Promise<RunDueReport>
  /** Ends the call of `runDue` before its budget is used up. Resolves when the call has ended. */
  abort(): Promise<void>
  /** Ends the call of `runDue` without further waits. {@link report} then rejects with this error. */
  fail(error: unknown): void
}

/**
 * First takes over runs that earlier calls have left behind. Then runs due work until none is left or the budget is used up,
 * and shuts the node down (decision 15).
 */
export function callDue(
  node: CallingNode,
  { budgetMs, times, signal, peers }: CheckedRunDue & { times: CallTimes; peers: Pick<Peers, 'nextOverAt'> },
): DueCall {
  const { agenda, capacity, claimer, clock, events, launcher, owner, pool, recovery, storage } = node
  const begunAt = clock.monotonic()
  const counts = { finished: 0, failed: 0, handedBack: 0, takenOver: 0 }
  let ended: RunDueReport['ended'] | null = null
  let failure: { readonly error: unknown } | null = null
  let stopping: Promise<void> | null = null
  let nextAt: number | null = null
  let resolveEnding = (): void => undefined
  const ending = new Promise<void>((resolve) => {
    resolveEnding = resolve
  })

  function end(why: RunDueReport['ended'], graceMs: number, abortGraceMs = times.abortGraceMs): void {
    if (ended !== null) return
    ended = why
    agenda.cancelAlarm(budget)
    stopping = node.stop(graceMs, abortGraceMs)
    resolveEnding()
  }
  const budget: Alarm = { at: 0, heapIndex: -1, ring: () => end('budget', times.graceMs) }
  const abort = (): void => end('aborted', 0)
  const fail = (error: unknown): void => {
    failure ??= { error }
    end('aborted', 0, 0)
  }

  async function begin(): Promise<void> {
    try {
      await node.start()
      return
    } catch (error) {
      // If the call of `runDue` has ended before this error, the code below throws another error, which says why it ended.
      if (ended === null) throw error
    }
    await stopping
    if (failure !== null) throw failure.error
    throw ended === 'budget' ? notBegunInTime(budgetMs) : abortedBefore()
  }

  /** Runs due work until none is left, and then ends the call of `runDue`. */
  async function work(): Promise<void> {
    try {
      pool.waitsUntil = begunAt + times.beginsForMs + times.graceMs
      await node.reaper.sweepOnce()
      await untilIdle()
      if (ended === null) await node.retainer.passSometimes()
      if (ended === null) nextAt = await nextDueAt()
      end('idle', 0)
    } catch (error) {
      // If the call of `runDue` has already ended, that end may be the cause of the error. Otherwise the error ends the call.
      if (ended === null) fail(error)
    }
  }

  async function untilIdle(): Promise<void> {
    while (ended === null) {
      await launcher.launched()
      // The recovery may need minutes. So wait only a short time, and then claim and run other work of this `runDue` call.
      if (recovery.isAtWork) await agenda.endsWithin(recovery.settled(), longestWaitMs)
      const hasTaken = await claimer.claimed()
      if (pool.size > 0) {
        await pool.emptied()
        continue
      }
      if (hasTaken || recovery.isAtWork) continue
      const isDue = agenda.peekDueSlot(node.now()) !== undefined
      if (!isDue && !capacity.hasBacklog && !capacity.hasUnreadWork && !node.isHeldBack) return
      await agenda.endsWithin(null, longestWaitMs)
    }
  }

  /** Returns the instant of the next due work that this node knows of, in epoch ms; `null`: the node knows of none. */
  async function nextDueAt(): Promise<number | null> {
    // Earlier calls may have left runs behind, which a call can take over after their end.
    const known = [agenda.peekSlot()?.at ?? null, claimer.nextDueAt, peers.nextOverAt(node.now())]
    // If this node cannot hold all jobs, a job that it does not hold may have the next slot. So ask the storage for the next
    // slot.
    if (node.registry.cache.isEvicting) {
      const due = { upTo: Number.MAX_SAFE_INTEGER }
      const read = (cursor: string | null) =>
        storage.repeated('listJobs', (calls) => calls.listJobs({ due, limit: 1, cursor }))
      known.push((await firstItems(read))[0]?.nextAt ?? null)
    }
    const next = Math.min(...known.map((instant) => instant ?? Number.POSITIVE_INFINITY))
    return Number.isFinite(next) ? next : null
  }

  async function run(): Promise<RunDueReport> {
    signal?.addEventListener('abort', abort, { once: true })
    agenda.setAlarm(budget, times.beginsForMs)
    try {
      if (signal?.aborted) abort()
      await begin()
      // After its end, the call no longer waits for work in progress.
      await Promise.race([work(), ending])
      await stopping
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    if (failure !== null) throw failure.error
    const durationMs = Math.round(clock.monotonic() - begunAt)
    const now = node.now()
    const next = ended === 'idle' ? nextAt : now
    return {
      node: owner.node,
      startedAt: new Date(now - durationMs),
      durationMs,
      ended: ended as unknown as RunDueReport['ended'],
      ...counts,
      leftBehind: pool.size,
      nextAt: next === null ? null : new Date(next),
    }
  }

  events.on('occurrence.finished', ({ report }) => {
    counts.finished++
    if (isFailure(report.outcome)) counts.failed++
  })
  events.on('occurrence.released', () => counts.handedBack++)
  events.on('occurrence.reaped', () => counts.takenOver++)
  return {
    report: run(),
    fail,
    abort: async () => {
      abort()
      await stopping
    },
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
