import type { OccurrenceReason } from '../../occurrence-reason.ts'
import type { Alarm } from '../runtime/agenda.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { RegisteredJob } from './registered-job.ts'
import { skippedLineMs } from './tuning.ts'

const messages: ReadonlyMap<string, string> = new Map([
  ['overlap', 'slots were skipped: an earlier run of the job is still active'],
  ['queue_full', 'slots were skipped: the queue of the job is full'],
])

const requestMessage =
  'requests were skipped: another run of the job is active; the overlap policy "queue" or "allow" runs each request'

/**
 * Logs slots and requests that the overlap policy or a full queue has skipped. The first skip of a job is logged at once,
 * the skips of the next minute in one line. Skips of a paused job are not logged, because the pause intends them.
 */
export class SkippedSlots {
  readonly #engine: EngineContext
  /** By job and message: skips with a log line within the last minute. */
  readonly #recent = new Map<string, Skipping>()

  constructor(engine: EngineContext) {
    this.#engine = engine
  }

  note(job: RegisteredJob, reason: OccurrenceReason | null, slot: number): void {
    const message = messages.get(reason ?? '')
    if (message !== undefined) this.#note(job, message, slot)
  }

  /** As {@link note}, for a trigger or replay that the overlap policy has skipped. */
  noteRequest(job: RegisteredJob, at: number): void {
    this.#note(job, requestMessage, at)
  }

  #note({ job }: RegisteredJob, message: string, slot: number): void {
    const key = `${job.id} ${message}`
    const known = this.#recent.get(key)
    if (known !== undefined) {
      known.note(slot)
      return
    }
    const skipping = new Skipping(this.#engine, { job: job.name, message, forget: () => this.#recent.delete(key) })
    this.#recent.set(key, skipping)
    skipping.note(slot)
    skipping.ring()
  }

  /** Logs all skips that are not logged yet. */
  sayAll(): void {
    for (const skipping of this.#recent.values()) skipping.say()
  }
}

/** The skips of one job between two log lines. */
class Skipping implements Alarm {
  at = 0
  heapIndex = -1
  readonly #engine: EngineContext
  readonly #options: { readonly job: string; readonly message: string; readonly forget: () => void }
  #count = 0
  #first = 0
  #last = 0

  constructor(engine: EngineContext, options: { job: string; message: string; forget: () => void }) {
    this.#engine = engine
    this.#options = options
  }

  note(slot: number): void {
    if (this.#count++ === 0) this.#first = slot
    this.#last = slot
  }

  /** Called `skippedLineMs` after the last line. */
  ring(): void {
    if (this.#count === 0) {
      this.#options.forget()
      return
    }
    this.say()
    this.#engine.agenda.setAlarm(this, skippedLineMs)
  }

  say(): void {
    if (this.#count === 0) return
    const { job, message } = this.#options
    const [from, to] = [new Date(this.#first), new Date(this.#last)]
    this.#engine.logger.warn({ job, count: this.#count, from, to }, message)
    this.#count = 0
  }
}
