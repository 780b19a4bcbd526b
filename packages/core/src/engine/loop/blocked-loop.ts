import { eventLoopBusyMs } from '../../system-clock.ts'
import type { Alarm } from './agenda.ts'
import type { EngineContext } from './engine-context.ts'

/** How often it is looked. */
const lookEveryMs = 1000

/** What holds the event loop for so long is said: long before a node that is silent is taken for dead. */
const saidFromMs = 1000

/** Names of jobs that are said. */
const mostNames = 10

const remedy =
  'Do work that takes long without a pause in a worker thread or a process of its own, or give the event loop a turn now and then.'

/**
 * Notices that something has held the event loop, or that the process stood still: to other nodes that looks like a death.
 * It is said once it is over; while it lasts, nothing can be said.
 */
export class BlockedLoop implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: Pick<EngineContext, 'agenda' | 'clock' | 'events' | 'logger'>
  readonly #running: () => Iterable<string>
  readonly #blamed: (jobName: string, forMs: number) => void
  readonly #causes = new Set<string>()
  /** `eventLoopBusyMs` at the last look. */
  #busyMs = 0
  #dueAt = 0
  /** The jobs that ran at the last look. */
  #ranBefore: readonly string[] = []

  /**
   * `running`: the names of the jobs that run now. `blamed` is called when one job has held the event loop for certain: a
   * process that was stopped (SIGSTOP, a suspended machine) waited in its event loop meanwhile, and blames nobody.
   */
  constructor(
    engine: Pick<EngineContext, 'agenda' | 'clock' | 'events' | 'logger'>,
    running: () => Iterable<string>,
    blamed: (jobName: string, forMs: number) => void = () => undefined,
  ) {
    this.#engine = engine
    this.#running = running
    this.#blamed = blamed
  }

  start(): void {
    // A virtual clock waits for whatever runs.
    if (this.#engine.clock.isAuthoritative === true) return
    this.#dueAt = this.#engine.clock.monotonic() + lookEveryMs
    this.#busyMs = eventLoopBusyMs()
    this.#engine.agenda.setAlarm(this, lookEveryMs)
  }

  stop(): void {
    this.#engine.agenda.cancelAlarm(this)
  }

  /** A handler of this job, or its schedule, has held the event loop for so long: when it was long, it is the cause. */
  held(jobName: string, forMs: number): void {
    if (forMs >= saidFromMs / 2 && this.#causes.size < mostNames) this.#causes.add(jobName)
  }

  ring(): void {
    const blockedMs = Math.round(this.#engine.clock.monotonic() - this.#dueAt)
    const running = firstOnes(this.#running())
    if (blockedMs >= saidFromMs) {
      const suspects = this.#causes.size > 0 ? this.#causes : new Set([...this.#ranBefore, ...running])
      this.#say(blockedMs, [...suspects].slice(0, mostNames))
      const [only, ...others] = suspects
      const isBusy = eventLoopBusyMs() - this.#busyMs >= blockedMs / 2
      if (isBusy && only !== undefined && others.length === 0) this.#blamed(only, blockedMs)
    }
    this.#causes.clear()
    this.#ranBefore = running
    this.start()
  }

  #say(blockedMs: number, jobs: readonly string[]): void {
    const { events, logger } = this.#engine
    events.emit('engine.blocked', { blockedMs, jobs })
    logger.warn({ blockedMs, jobs, remedy }, 'something has held the event loop: nothing else ran on this node')
  }
}

function firstOnes(names: Iterable<string>): readonly string[] {
  const first = new Set<string>()
  for (const name of names) {
    first.add(name)
    if (first.size === mostNames) break
  }
  return [...first]
}
