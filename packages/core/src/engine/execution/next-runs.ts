import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord, OccurrenceAddress } from '../../storage/occurrence-record.ts'
import type { SettleAnswer } from '../../storage/storage.ts'
import type { Capacity } from './capacity.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/** Runs an occurrence that the end of another run has taken. The claimer implements this interface. */
export interface TakenRunner {
  /**
   * Runs a taken occurrence. Resolves when it runs or was handed back, and also after an error, which the runner reports. Never
   * rejects. `askedAt`: monotonic instant at which the call with the end of the other run was sent.
   */
  runNext(record: OccurrenceRecord, askedAt: number): Promise<void>
  /**
   * Called when the storage's answer to the end of a run was lost. Starts a claim that also searches for an occurrence that
   * this end has taken.
   */
  lookForUnanswered(): void
}

/**
 * Decides whether the call that settles the end of a run also takes the next occurrence of the job (decision 0012). Conditions:
 * the job probably has a queue, the node has a free permit, and no other run of the job is taking an occurrence.
 */
export class NextOccurrenceTaker {
  readonly #engine: EngineContext
  readonly #capacity: Capacity
  /** Jobs that probably have a queue, because the end of a run has woken another occurrence. */
  readonly #queued = new Set<JobId>()
  /**
   * A job is in this map while the end of one of its runs is being stored and may take the next occurrence. The job
   * stays in the map until the taken occurrence runs. The value is the monotonic instant at which the end was sent.
   */
  readonly #requested = new Map<JobId, number>()
  /** Runs taken occurrences; `null`: the storage does not support `takeNext`, so the end of a run takes no occurrence. */
  runner: TakenRunner | null = null

  constructor(engine: EngineContext, capacity: Capacity) {
    this.#engine = engine
    this.#capacity = capacity
  }

  /**
   * Returns whether the end of a run of this job takes the next occurrence. If true, this method has reserved a permit
   * for that occurrence, and the caller has to call {@link answered} exactly once.
   */
  mayTake(jobId: JobId): boolean {
    const mayTake = this.runner !== null && this.#queued.has(jobId) && !this.#requested.has(jobId)
    if (!mayTake || this.#engine.isHeldBack || !this.#capacity.roomForNext()) return false
    this.#capacity.reserve(1)
    this.#requested.set(jobId, this.#engine.clock.monotonic())
    return true
  }

  /** Returns whether a settle in progress may take the next occurrence of this job. Also true until a taken occurrence runs. */
  isAwaited(jobId: JobId): boolean {
    return this.#requested.has(jobId)
  }

  /** Called when the end of a run of this job has woken another occurrence. */
  woken(jobId: JobId): void {
    this.#queued.add(jobId)
  }

  /**
   * Called when the storage has answered the end of a run for which {@link mayTake} returned true. `answer`: `null` if the
   * storage rejected the end. Runs the taken occurrence. Returns a promise that resolves when the occurrence runs, was handed
   * back, or could not be started; `null` if the end took no occurrence.
   */
  answered(jobId: JobId, answer: SettleAnswer | null): Promise<void> | null {
    const askedAt = this.#requested.get(jobId) ?? this.#engine.clock.monotonic()
    const taken = answer?.outcome === 'ok' ? (answer.taken ?? null) : null
    const hasWoken = answer?.outcome === 'ok' && answer.woken !== null
    if (taken === null && !hasWoken) this.#queued.delete(jobId)
    if (taken !== null && this.runner !== null) {
      return this.runner.runNext(taken, askedAt).finally(() => this.#unreserve(jobId))
    }
    this.#unreserve(jobId)
    this.#capacity.offerRoom()
    if (answer?.outcome === 'ok' && answer.repeated === true) this.runner?.lookForUnanswered()
    return null
  }

  #unreserve(jobId: JobId): void {
    this.#requested.delete(jobId)
    this.#capacity.unreserve(1)
  }
}

/** The members of a backfill's run that {@link Relay} needs when the run ends. */
export type EndedRun = Pick<OccurrenceRecord, 'id' | 'jobId' | 'startedAt' | 'details'>

/** Continues a backfill when one of its runs ends. Ignores occurrences that belong to no backfill, and never rejects. */
export interface Relay {
  /**
   * Creates the backfill's next run after `ended`. Called before the node settles the end of `ended`. So a crash between the
   * creation and the settle does not end the lane of the backfill.
   */
  handOn(ended: EndedRun): Promise<void>
  /**
   * Called when newer occurrences have displaced these waiting runs. If no node has ever started a displaced run, the backfill
   * creates another run for the same slot. Otherwise the backfill continues with the next slot of the lane.
   */
  displaced(addresses: readonly OccurrenceAddress[]): Promise<void>
}
