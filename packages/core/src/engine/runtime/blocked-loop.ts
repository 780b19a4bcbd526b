import { lookMs, mostListed } from '../../tuning.ts'
import type { Clock } from '../../clock.ts'
import type { EventHub } from '../../events.ts'
import type { Logger } from '../../logger.ts'
import { cpuMs } from '../../system-clock.ts'
import type { Agenda, Alarm, SlotEntry } from './agenda.ts'

const remedy =
  'Run long synchronous work in a worker thread or a separate process, or let it yield to the event loop regularly.'

interface BlockedLoopContext {
  readonly agenda: Agenda<SlotEntry>
  readonly clock: Clock
  readonly events: EventHub
  readonly logger: Logger
}

/**
 * Detects that code has blocked the event loop, or that the process was suspended. An alarm rings each second; if it rings a
 * second or more too late, this class reports the delay.
 */
export class BlockedLoop implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: BlockedLoopContext
  readonly #running: () => Iterable<string>
  readonly #blamed: (jobName: string, forMs: number) => void
  /**
   * Jobs that have blocked the event loop since the last check. The value is the duration in ms of the longest call of
   * the job's handler or schedule.
   */
  readonly #causes = new Map<string, number>()
  /** CPU time of the process at the last check, in ms. */
  #cpuMs = 0
  /** Monotonic instant at which the next check is due. */
  #dueAt = 0
  /** Names of the jobs that ran at the last check. If no call was measured, these jobs are the suspects. */
  #ranBefore: readonly string[] = []

  /**
   * `running` returns the names of the jobs that run now. This object calls `blamed` only if both conditions hold:
   * - Exactly one job can have blocked the event loop.
   * - CPU time or a measured call explains at least half of the delay.
   *
   * A suspended process uses no CPU time, so no job is blamed for a suspension.
   */
  constructor(
    engine: BlockedLoopContext,
    running: () => Iterable<string>,
    blamed: (jobName: string, forMs: number) => void = () => undefined,
  ) {
    this.#engine = engine
    this.#running = running
    this.#blamed = blamed
  }

  start(): void {
    // A virtual clock stands still while code runs, so a delay cannot be measured.
    if (this.#engine.clock.isAuthoritative === true) return
    this.#dueAt = this.#engine.clock.monotonic() + lookMs
    this.#cpuMs = cpuMs()
    this.#engine.agenda.setAlarm(this, lookMs)
  }

  stop(): void {
    this.#engine.agenda.cancelAlarm(this)
  }

  /** Records that a call of this job's handler or schedule took `forMs`. Ignores calls shorter than half of `lookMs`. */
  held(jobName: string, forMs: number): void {
    if (forMs < lookMs / 2 || this.#causes.size >= mostListed) return
    this.#causes.set(jobName, Math.max(forMs, this.#causes.get(jobName) ?? 0))
  }

  ring(): void {
    const blockedMs = Math.round(this.#engine.clock.monotonic() - this.#dueAt)
    const running = [...new Set(this.#running())].slice(0, mostListed)
    if (blockedMs >= lookMs) {
      const suspects = this.#causes.size > 0 ? this.#causes.keys() : new Set([...this.#ranBefore, ...running])
      const [only, ...others] = [...suspects].slice(0, mostListed)
      const jobs = only === undefined ? [] : [only, ...others]
      this.#engine.events.emit('engine.blocked', { blockedMs, jobs })
      const fields = { blockedMs, jobs, remedy }
      this.#engine.logger.warn(fields, 'the event loop of this node was blocked: no other code ran meanwhile')
      if (only !== undefined && others.length === 0) {
        const explainedMs = Math.max(cpuMs() - this.#cpuMs, this.#causes.get(only) ?? 0)
        if (explainedMs >= blockedMs / 2) this.#blamed(only, blockedMs)
      }
    }
    this.#causes.clear()
    this.#ranBefore = running
    this.start()
  }
}
