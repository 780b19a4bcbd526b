import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { SettleAnswer } from '../../storage/storage.ts'
import type { Capacity } from '../capacity/capacity.ts'
import type { EngineContext } from '../loop/engine-context.ts'

/** Who runs what ends have taken. */
export interface NextTaker {
  /** Resolves when it runs, or was handed back. `askedAt` is monotonic: when it was asked for. */
  runNext(record: OccurrenceRecord, askedAt: number): Promise<void>
  /** An end may have taken one, and the answer got lost. */
  lookForUnanswered(): void
}

/**
 * Ends that take the next occurrence of their job in the same step, see decision 0012: of jobs that have a queue, as far
 * as this node knows, and while it has a place for it.
 */
export class NextOnes {
  readonly #engine: EngineContext
  readonly #capacity: Capacity
  /** Jobs of which an end has woken or taken another occurrence, each time until now. */
  readonly #queued = new Set<JobId>()
  /** Jobs of which an end that may take one is under way, and since when: monotonic. */
  readonly #underWay = new Map<JobId, number>()
  #taker: NextTaker | null = null

  constructor(engine: EngineContext, capacity: Capacity) {
    this.#engine = engine
    this.#capacity = capacity
  }

  /** Without a storage that heeds it, nobody is set, and nothing is taken. */
  takenBy(taker: NextTaker): void {
    this.#taker = taker
  }

  /** Whether the end of one of this job, which is about to be said, takes the next. Then it is to be {@link answered}. */
  mayTake(jobId: JobId): boolean {
    const mayTake = this.#taker !== null && this.#queued.has(jobId) && !this.#underWay.has(jobId)
    if (!mayTake || this.#engine.isHeldBack || !this.#capacity.roomForNext()) return false
    this.#capacity.reserve(1)
    this.#underWay.set(jobId, this.#engine.clock.monotonic())
    return true
  }

  /** Whether an answer is awaited that may bring an occurrence of this job. */
  isAwaited(jobId: JobId): boolean {
    return this.#underWay.has(jobId)
  }

  /** The jobs of which one is awaited now. */
  awaited(): ReadonlySet<JobId> {
    return new Set(this.#underWay.keys())
  }

  /** An end that took nothing by itself has been answered. */
  ended(jobId: JobId, { woken }: { readonly woken: object | null }): void {
    if (woken !== null) this.#queued.add(jobId)
  }

  /** `null`: the storage refused to hear of it. Resolves when what was taken runs; `null` when there is nothing to wait for. */
  answered(jobId: JobId, answer: SettleAnswer | null): Promise<void> | null {
    const askedAt = this.#underWay.get(jobId) ?? this.#engine.clock.monotonic()
    this.#underWay.delete(jobId)
    const taken = answer?.outcome === 'ok' ? (answer.taken ?? null) : null
    const hasWoken = answer?.outcome === 'ok' && answer.woken !== null
    if (taken === null && !hasWoken) this.#queued.delete(jobId)
    if (taken !== null && this.#taker !== null) {
      return this.#taker.runNext(taken, askedAt).finally(() => this.#capacity.unreserve(1))
    }
    this.#capacity.unreserve(1)
    this.#capacity.offerRoom()
    if (answer?.outcome === 'ok' && answer.repeated === true) this.#taker?.lookForUnanswered()
    return null
  }
}
