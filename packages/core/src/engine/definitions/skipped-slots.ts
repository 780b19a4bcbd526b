import type { OccurrenceReason } from '../../occurrence-reason.ts'
import type { Alarm } from '../runtime/agenda.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { RegisteredJob } from './registered-job.ts'
import { upkeepMs } from '../../tuning.ts'

const messages: ReadonlyMap<string | null, string> = new Map([
  ['overlap', 'slots were skipped: an earlier run of the job is pending or running'],
  ['queue_full', 'slots were skipped: the queue of the job is full'],
  [
    'request',
    'requests were skipped: another run of the job is pending or running; the overlap policy "queue" or "allow" runs each request',
  ],
  ['displaced', 'waiting runs were canceled: a newer run of the job has displaced them'],
])

/**
 * Logs slots and requests that the overlap policy or a full queue has skipped, and waiting runs that newer runs have
 * displaced. The first skip of a job is logged at once. The skips of the following minute are logged together, in one
 * line. Skips during a pause are not logged, because the user who paused the job expects them.
 */
export class SkippedSlots {
  readonly #engine: EngineContext
  /** For each job and reason whose last log line is at most a minute old: the skips that were counted since that line. */
  readonly #recent = new Map<string, Skips>()

  constructor(engine: EngineContext) {
    this.#engine = engine
  }

  /** Notes a skipped slot with its reason, a skipped trigger or replay as `request`, or a displaced run as `displaced`. */
  note({ job: { id, name: job } }: RegisteredJob, reason: OccurrenceReason | 'request' | null, slot: number): void {
    const message = messages.get(reason)
    if (message === undefined) return
    const key = `${id} ${reason}`
    const known = this.#recent.get(key)
    if (known === undefined) {
      const alarm = { at: 0, heapIndex: -1, ring: () => this.#ring(key, skips) }
      const skips: Skips = { ...alarm, job, message, count: 1, from: slot, to: slot }
      this.#recent.set(key, skips)
      skips.ring()
    } else {
      // Displaced runs come in the order in which they wait, which may not be that of their instants.
      const isFirst = known.count++ === 0
      known.from = isFirst ? slot : Math.min(known.from, slot)
      known.to = isFirst ? slot : Math.max(known.to, slot)
    }
  }

  #ring(key: string, skips: Skips): void {
    if (skips.count === 0) this.#recent.delete(key)
    else {
      this.#say(skips)
      this.#engine.agenda.setAlarm(skips, upkeepMs)
    }
  }

  /** Logs all skips that this node has counted and not logged yet. */
  sayAll(): void {
    for (const skips of this.#recent.values()) if (skips.count > 0) this.#say(skips)
  }

  #say(skips: Skips): void {
    const { job, message, count, from, to } = skips
    skips.count = 0
    this.#engine.logger.warn({ job, count, from: new Date(from), to: new Date(to) }, message)
  }
}

/** The skips of one job since its last log line. */
interface Skips extends Alarm {
  readonly job: string
  readonly message: string
  count: number
  from: number
  to: number
}
