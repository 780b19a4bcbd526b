import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { SettleAnswer } from '../../storage/storage.ts'
import type { Capacity } from './capacity.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/** Runs occurrences that the end of another run has taken. The claimer implements this interface. */
export interface TakenRunner {
  /** Resolves when the occurrence runs, or was handed back. `askedAt`: monotonic instant of the request. */
  runNext(record: OccurrenceRecord, askedAt: number): Promise<void>
  /** An end may have taken an occurrence, and this node has lost the storage's answer. */
  lookForUnanswered(): void
}

/**
 * Decides which ends take the next occurrence of their job in the same step (decision 0012). An end does so if its job is
 * known to have a queue, and if the node has a permit for the next occurrence.
 */
export class NextOccurrenceTaker {
  readonly #engine: EngineContext
  readonly #capacity: Capacity
  /** Jobs whose last end has woken or taken another occurrence. */
  readonly #queued = new Set<JobId>()
  /** Jobs with an end in progress that may take one, and the monotonic instant of its request. */
  readonly #requested = new Map<JobId, number>()
  #runner: TakenRunner | null = null

  constructor(engine: EngineContext, capacity: Capacity) {
    this.#engine = engine
    this.#capacity = capacity
  }

  /** Not called if the storage cannot take the next occurrence: then no end takes one. */
  runBy(runner: TakenRunner): void {
    this.#runner = runner
  }

  /** Returns whether an end of this job takes the next occurrence. If so, the caller calls {@link answered} later. */
  mayTake(jobId: JobId): boolean {
    const mayTake = this.#runner !== null && this.#queued.has(jobId) && !this.#requested.has(jobId)
    if (!mayTake || this.#engine.isHeldBack || !this.#capacity.roomForNext()) return false
    this.#capacity.reserve(1)
    this.#requested.set(jobId, this.#engine.clock.monotonic())
    return true
  }

  /** Whether an answer in progress may bring an occurrence of this job. */
  isAwaited(jobId: JobId): boolean {
    return this.#requested.has(jobId)
  }

  /** The jobs for which {@link isAwaited} holds now. */
  awaited(): ReadonlySet<JobId> {
    return new Set(this.#requested.keys())
  }

  /** The storage has answered an end. */
  ended(jobId: JobId, { woken }: { readonly woken: object | null }): void {
    if (woken !== null) this.#queued.add(jobId)
  }

  /**
   * The storage has answered an end that may take the next occurrence; `null`: it refused the end. The promise resolves
   * when the taken occurrence runs; `null` if none was taken.
   */
  answered(jobId: JobId, answer: SettleAnswer | null): Promise<void> | null {
    const askedAt = this.#requested.get(jobId) ?? this.#engine.clock.monotonic()
    this.#requested.delete(jobId)
    const taken = answer?.outcome === 'ok' ? (answer.taken ?? null) : null
    const hasWoken = answer?.outcome === 'ok' && answer.woken !== null
    if (taken === null && !hasWoken) this.#queued.delete(jobId)
    if (taken !== null && this.#runner !== null) {
      return this.#runner.runNext(taken, askedAt).finally(() => this.#capacity.unreserve(1))
    }
    this.#capacity.unreserve(1)
    this.#capacity.offerRoom()
    if (answer?.outcome === 'ok' && answer.repeated === true) this.#runner?.lookForUnanswered()
    return null
  }
}
