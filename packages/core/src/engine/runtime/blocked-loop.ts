import { lookMs, mostListed } from '../../tuning.ts'
import type { Clock } from '../../clock.ts'
import type { EventHub } from '../../events.ts'
import type { Logger } from '../../logger.ts'
import type { Agenda, Alarm, SlotEntry } from './agenda.ts'

const remedy =
  'Run long synchronous work in a worker thread or a separate process, or let it yield to the event loop regularly.'

/** The services of an engine that the earliest layers need. */
export interface RuntimeContext {
  readonly agenda: Agenda<SlotEntry>
  readonly clock: Clock
  readonly events: EventHub
  readonly logger: Logger
}

/**
 * Detects that code has blocked the event loop, or that the process was suspended. An alarm rings each second; if it rings a
 * second or more too late, this class reports the delay, and the jobs that ran before or during the delay.
 */
export class BlockedLoop implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: RuntimeContext
  readonly #running: () => Iterable<string>
  /** Monotonic instant at which the next check is due. */
  #dueAt = 0
  /** Names of the jobs that ran at the last check. */
  #ranBefore: readonly string[] = []

  /** `running` returns the names of the jobs that run now. */
  constructor(engine: RuntimeContext, running: () => Iterable<string>) {
    this.#engine = engine
    this.#running = running
  }

  start(): void {
    // A virtual clock stands still while code runs, so a delay cannot be measured.
    if (this.#engine.clock.isAuthoritative === true) return
    this.#dueAt = this.#engine.clock.monotonic() + lookMs
    this.#engine.agenda.setAlarm(this, lookMs)
  }

  stop(): void {
    this.#engine.agenda.cancelAlarm(this)
  }

  ring(): void {
    const blockedMs = Math.round(this.#engine.clock.monotonic() - this.#dueAt)
    const running = [...new Set(this.#running())].slice(0, mostListed)
    if (blockedMs >= lookMs) {
      const jobs = [...new Set([...this.#ranBefore, ...running])].slice(0, mostListed)
      this.#engine.events.emit('engine.blocked', { blockedMs, jobs })
      const fields = { blockedMs, jobs, remedy }
      this.#engine.logger.warn(fields, 'the event loop of this node was blocked: no other code ran meanwhile')
    }
    this.#ranBefore = running
    this.start()
  }
}
