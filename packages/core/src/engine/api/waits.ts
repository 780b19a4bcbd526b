import { readSignal, readObject } from '../../configuration/read-value.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { JobistemerError } from '../../errors.ts'
import { abortedBy } from '../storage-access/caller-context.ts'
import type { OccurrenceId } from '../../ids.ts'
import { type Occurrence, occurrenceOf } from '../../occurrence.ts'
import { isFinal, type OccurrenceRecord, type OccurrenceState } from '../../storage/occurrence-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { lookMs } from '../../tuning.ts'

/** Options of `waitFor`, which waits for the end of an occurrence. */
export interface WaitOptions {
  /**
   * Maximum wait, at least 1 ms. After this time, the call rejects with `WAIT_TIMEOUT`, and the occurrence continues. If the
   * storage does not answer, the call rejects up to 1 s later. Default: none.
   */
  readonly timeout?: DurationInput
  /** When the signal fires, the call rejects with `ABORTED`, and the occurrence continues. */
  readonly signal?: AbortSignal
}

/**
 * Reads an occurrence. Repeats a failed read for `callTimeout`, at most for `limitMs`, and then rejects with `STORAGE_TIMEOUT`.
 * Rejects after the engine has stopped.
 */
type Find = (id: OccurrenceId, limitMs: number, signal: AbortSignal | undefined) => Promise<OccurrenceRecord>

/** Waits for the end of occurrences: polls the storage, and listens for the ends of this node's own runs. */
export class Waits {
  readonly #engine: EngineContext
  readonly #find: Find
  /** By occurrence: one function per waiting call. The function ends the call's pause between two reads. */
  readonly #resting = new Map<OccurrenceId, Set<() => void>>()
  /** Removes the listener that all waiting calls share; `null`: no call waits. */
  #unlisten: (() => void) | null = null

  constructor(engine: EngineContext, find: Find) {
    this.#engine = engine
    this.#find = find
  }

  /** Ends the pauses of all waiting calls when the engine stops. Each call then rejects. */
  stop(): void {
    for (const id of this.#resting.keys()) this.#wake(id)
  }

  #wake(id: OccurrenceId): void {
    for (const wake of this.#resting.get(id) ?? []) wake()
  }

  #add(id: OccurrenceId, wake: () => void): void {
    this.#resting.set(id, (this.#resting.get(id) ?? new Set()).add(wake))
    // All calls share one listener: with one listener for each call, each end of a run would call all of them.
    this.#unlisten ??= this.#engine.events.on('occurrence.finished', ({ occurrenceId }) => this.#wake(occurrenceId))
  }

  #delete(id: OccurrenceId, wake: () => void): void {
    const wakes = this.#resting.get(id)
    wakes?.delete(wake)
    if (wakes?.size === 0) this.#resting.delete(id)
    if (this.#resting.size > 0) return
    this.#unlisten?.()
    this.#unlisten = null
  }

  async waitFor(id: OccurrenceId, options: WaitOptions): Promise<Occurrence> {
    readObject(options, 'options', ['timeout', 'signal'])
    const { clock } = this.#engine
    const timeoutMs = options.timeout === undefined ? null : toDurationMs(options.timeout, 'timeout', { min: 1 })
    const signal = options.signal && readSignal(options.signal)
    const endAt = clock.monotonic() + (timeoutMs ?? Number.POSITIVE_INFINITY)
    let state: OccurrenceState | null = null
    // The first pause is short, because most runs are short. Each further pause is twice as long, up to `2 * lookMs`.
    for (let pollMs = lookMs / 10; ; pollMs = Math.min(2 * pollMs, 2 * lookMs)) {
      if (signal?.aborted) throw abortedBy(signal, 'The signal fired before the occurrence had ended.', remedy)
      // Listens before the read, so that this call notices an end during the read.
      let wake = (): void => undefined
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      this.#add(id, wake)
      signal?.addEventListener('abort', wake, { once: true })
      try {
        // The last read has some time too: the occurrence may have ended during the last pause.
        const limitMs = Math.max(lookMs, endAt - clock.monotonic())
        const record = await this.#find(id, limitMs, signal).catch(nullIfUnanswered)
        if (record !== null && isFinal(record.state)) return occurrenceOf(record)
        state = record?.state ?? state
        const leftMs = endAt - clock.monotonic()
        if (leftMs <= 0) throw timedOut(id, state, timeoutMs as number)
        const timer = clock.setTimer(Math.min(pollMs, leftMs), wake)
        await woken
        timer.cancel()
      } finally {
        signal?.removeEventListener('abort', wake)
        this.#delete(id, wake)
      }
    }
  }
}

/** A storage that does not answer ends no wait: the occurrence continues meanwhile. */
function nullIfUnanswered(error: unknown): null {
  if (JobistemerError.isInstance(error, 'STORAGE_TIMEOUT')) return null
  throw error
}

/** The remedy of a call that ends its wait before the occurrence has ended. */
const remedy = 'The occurrence goes on: wait again, or cancel it.'

function timedOut(id: OccurrenceId, state: OccurrenceState | null, timeoutMs: number): JobistemerError {
  const found = state === null ? 'the storage does not answer' : `it is ${state}`
  return new JobistemerError('WAIT_TIMEOUT', {
    message: `Occurrence ${id} has not ended within ${timeoutMs} ms: ${found}.`,
    field: 'timeout',
    value: timeoutMs,
    remedy,
  })
}
