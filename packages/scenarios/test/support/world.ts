import {
  createScheduler,
  silentLogger,
  type Occurrence,
  type Scheduler,
  type SchedulerEventName,
  type SchedulerEvents,
  type SchedulerOptions,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { type VirtualClock, virtualClock } from '@jobistemer/core/testing'
import { onTestFinished } from 'vitest'
import { MortalProcess } from './mortal-process.ts'
import { memory, type PlaceKind } from './places.ts'

/** The instant at which the virtual clock of every scenario starts. */
export const startMs: number = Date.UTC(2026, 0, 1)

/** Returns the instant `seconds` after the start of the virtual clock. */
export function at(seconds: number): Date {
  return new Date(startMs + seconds * 1000)
}

/** Returns the seconds from the start of the virtual clock to an instant. */
export function secondsOf(instant: Date | number): number {
  return (Number(instant) - startMs) / 1000
}

/**
 * A simulated cluster: a virtual clock, a database, and schedulers that use both. The cluster is disposed of when the test
 * has ended.
 */
export interface World {
  readonly clock: VirtualClock
  /** Makes a connection to the database. */
  connect(): Storage
  /** Creates a scheduler without starting it. By default the scheduler has its own connection. */
  scheduler(options?: Partial<SchedulerOptions>): Scheduler
  /** A started scheduler. */
  start(options?: Partial<SchedulerOptions>): Promise<Scheduler>
  /** Ends the simulated process of a scheduler, as `kill -9` does. */
  crash(scheduler: Scheduler): void
  /**
   * Freezes the simulated process of a scheduler. The timers, calls and answers of the process wait until the process
   * thaws.
   */
  freeze(scheduler: Scheduler): void
  /**
   * Resumes a frozen process. Parameter `monotonic`: whether the monotonic clock of the process `ran on` during the freeze
   * (the default) or `stood still`.
   */
  thaw(scheduler: Scheduler, monotonic?: 'ran on' | 'stood still'): Promise<void>
  /**
   * Resolves when the process of the scheduler is not frozen. Handlers in that process await this promise before they
   * continue.
   */
  awake(scheduler: Scheduler): Promise<void>
  /**
   * Shuts a scheduler down without a grace period, so that the scheduler aborts its runs at once. Then advances the clock
   * by `abortGracePeriod` ms (default 0).
   */
  shutdown(scheduler: Scheduler, abortGracePeriod?: number): Promise<void>
}

export function createWorld(kind: PlaceKind = memory): World {
  // `patience` is the maximum real time for which the clock waits for handlers. Handlers of scenarios need no real time, so it
  // is 0.
  const clock = virtualClock(startMs, { patience: 0 })
  const place = kind.open()
  const storages: Storage[] = []
  const processes = new Map<Scheduler, MortalProcess>()
  const world: World = {
    clock,
    connect() {
      const storage = place.connect()
      storages.push(storage)
      return storage
    },
    scheduler(options = {}) {
      const process = new MortalProcess(clock, options.storage ?? world.connect())
      const scheduler = createScheduler({
        logger: silentLogger,
        // A slot is assigned to a node by the names of the nodes. With fixed names, each test run has the same assignments.
        nodeId: `node ${processes.size + 1}`,
        // Storages have different defaults of `deadAfter`. This fixed value makes scenarios behave in the same way on each
        // storage. It is the default of a storage that only one process can open. The long time also makes long scenarios fast.
        deadAfter: { minutes: 6 },
        ...options,
        clock: process.clock,
        storage: process.storage,
      })
      processes.set(scheduler, process)
      return scheduler
    },
    async start(options) {
      const scheduler = world.scheduler(options)
      const starting = scheduler.start()
      await clock.settle()
      await starting
      await clock.settle()
      return scheduler
    },
    crash: (scheduler) => processes.get(scheduler)?.die(),
    freeze: (scheduler) => processes.get(scheduler)?.freeze(),
    async thaw(scheduler, monotonic = 'ran on') {
      processes.get(scheduler)?.thaw(monotonic)
      await clock.advance(0)
    },
    awake: async (scheduler) => processes.get(scheduler)?.awake(),
    async shutdown(scheduler, abortGracePeriod = 0) {
      const stopping = scheduler.shutdown({ gracePeriod: 0, abortGracePeriod })
      await clock.advance(abortGracePeriod)
      await stopping
    },
  }
  onTestFinished(async () => {
    for (const [scheduler, process] of processes) if (process.alive) await world.shutdown(scheduler)
    for (const storage of storages) await storage.close()
    place.dispose()
  })
  return world
}

/** Collects the named events that a scheduler emits from this call on. */
export function listen<Name extends SchedulerEventName>(
  scheduler: Scheduler,
  ...names: Name[]
): { readonly name: Name; readonly event: SchedulerEvents[Name] }[] {
  const heard: { name: Name; event: SchedulerEvents[Name] }[] = []
  for (const name of names) scheduler.on(name, (event) => heard.push({ name, event }))
  return heard
}

/** Returns each occurrence as the second of its slot, its state and any reason, such as `'10 completed'`. */
export async function fates(scheduler: Scheduler, job: string): Promise<string[]> {
  const occurrences = (await scheduler.occurrences({ job, limit: 10_000 })).items
  return occurrences.map(fateOf)
}

function fateOf({ scheduledAt, state, reason, span }: Occurrence): string {
  const until = span === null ? '' : `-${secondsOf(span.to)} (${span.count})`
  return `${secondsOf(span === null ? scheduledAt : span.from)}${until} ${state}${reason === null ? '' : ` ${reason}`}`
}

/** Returns the only occurrence of a job. Throws if the job has none or several. */
export async function onlyOccurrence(scheduler: Scheduler, job: string): Promise<Occurrence> {
  const [occurrence, ...others] = (await scheduler.occurrences({ job })).items
  if (occurrence === undefined || others.length > 0) throw new Error(`${others.length + 1} occurrences instead of one`)
  return occurrence
}
