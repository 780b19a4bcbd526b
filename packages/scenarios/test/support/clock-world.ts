import {
  createScheduler,
  defineJob,
  type Job,
  type Occurrence,
  type Scheduler,
  type SchedulerOptions,
  silentLogger,
} from '@jobistemer/core'
import { type VirtualClock, virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { onTestFinished } from 'vitest'
import { everySeconds } from './every.ts'
import { listen } from './world.ts'
import { WrongClock } from './wrong-clock.ts'

export const second = 1000
export const minute: number = 60 * second
export const hour: number = 60 * minute
export const day: number = 24 * hour

const start = Date.UTC(2026, 0, 1)

/**
 * A simulated cluster: nodes with a clock each, and a storage with or without a clock. All nodes shut down when the test has
 * ended.
 */
export class ClockWorld {
  /**
   * The true clock. Its method `jumpTo` simulates a machine that slept: only the wall clocks advance, and not the monotonic
   * clocks.
   */
  readonly clock: VirtualClock = virtualClock(start)
  readonly storageClock: WrongClock = new WrongClock(this.clock, 0)
  readonly #hasClock: boolean
  readonly #database = memoryDatabase()
  readonly #schedulers: Scheduler[] = []

  constructor({ hasClock }: { readonly hasClock: boolean }) {
    this.#hasClock = hasClock
    onTestFinished(() => this.#end())
  }

  /** Milliseconds since the start of the test, by the true clock. */
  get now(): number {
    return this.clock.now() - start
  }

  /** Makes a scheduler with its own clock. The scheduler is not started yet. */
  node(nodeId: string, options: Partial<SchedulerOptions> = {}) {
    const clock = new WrongClock(this.clock, 0)
    const scheduler = createScheduler({
      storage: this.connect(),
      logger: silentLogger,
      nodeId,
      clock,
      ...options,
    })
    this.#schedulers.push(scheduler)
    const told = listen(scheduler, 'clock.unconfirmed', 'clock.confirmed', 'occurrence.reaped', 'recovery.decided')
    return {
      scheduler,
      clock,
      /**
       * Returns the events so far: `'unconfirmed 3600000'` for an event of the clock, and only its name for any other event.
       */
      told: () => told.map(({ name, event }) => ('byMs' in event ? `${name.slice(6)} ${event.byMs}` : name)),
    }
  }

  connect() {
    const storage = memoryStorage({ database: this.#database })
    const serverTime = this.#hasClock ? async () => this.storageClock.now() : undefined
    return wrapStorage(storage, { serverTime, subscribe: undefined })
  }

  /**
   * Starts a node, and resolves when the start has ended. If the storage has a clock, this clock must agree with the node's
   * clock at the call.
   */
  async started(nodeId: string, options: Partial<SchedulerOptions> = {}) {
    const node = this.node(nodeId, options)
    await node.scheduler.start()
    return node
  }

  /**
   * Defines a job with a slot each minute. `ran` lists its slots and `at` the starts of their runs, in milliseconds since the
   * start of the test.
   */
  recording(settings: Partial<Parameters<typeof defineJob>[0]> = {}): { job: Job; ran: number[]; at: number[] } {
    const ran: number[] = []
    const at: number[] = []
    const job = defineJob({
      name: 'recording',
      schedule: everySeconds(60),
      overlapPolicy: 'allow',
      ...settings,
      tasks: [
        {
          name: 'work',
          run: ({ scheduledAt }) => {
            ran.push(scheduledAt.getTime() - start)
            at.push(this.now)
          },
        },
      ],
    })
    return { job, ran, at }
  }

  /**
   * Defines a job whose only run starts at the first minute and takes 20 minutes. Its execution timeout is one hour longer, so
   * that the run may last through a clock jump of an hour.
   */
  long(): Job {
    return defineJob({
      name: 'long',
      schedule: everySeconds(60, start + minute),
      executionTimeout: { minutes: 80 },
      tasks: [{ name: 'work', taskTimeout: { minutes: 80 }, run: () => this.clock.sleep({ minutes: 20 }) }],
    })
  }

  /** Runs a node for `forMs`, with a clock `aheadMs` ahead of the true time. The node trusts this clock. */
  async decideAhead(aheadMs: number, options: Partial<SchedulerOptions>, forMs: number = 2 * minute): Promise<void> {
    const clock = virtualClock(this.clock.now() + aheadMs)
    const scheduler = createScheduler({ storage: this.connect(), logger: silentLogger, ...options, clock })
    await scheduler.start()
    await clock.advance(forMs)
    const stopped = scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
    await clock.advance(1)
    await stopped
  }

  async #end(): Promise<void> {
    const stopped = this.#schedulers.map((one) => one.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
    await this.clock.advance({ seconds: 1 })
    await Promise.all(stopped)
  }
}

/** Returns, for example, `'60000 completed'`: the slot in milliseconds since the start of the test, and the state. */
export function fateOf({ scheduledAt, state }: Occurrence): string {
  return `${scheduledAt.getTime() - start} ${state}`
}

/** Returns the minutes `from` to `to`, both inclusive, in milliseconds. */
export function minutes(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => (from + index) * minute)
}
