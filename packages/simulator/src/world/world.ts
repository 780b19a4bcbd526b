import type { Storage } from '@jobistemer/core/storage'
import { type VirtualClock, virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { History } from '../history/history.ts'
import { SeededRandom } from '@jobistemer/test-kit'
import { followEveryReading, type Sabotage, sabotageOf } from '../sabotage/sabotage.ts'
import { drawJobs } from '../workload/draw-jobs.ts'
import { jobsWithPlaces } from '../workload/places.ts'
import type { SimulatedJob } from '../workload/simulated-job.ts'
import { drawFaultProfile, type FaultProfile, largestUncertainty, withoutFaults } from './fault-profile.ts'
import type { Barrier } from './barrier.ts'
import { watchOrder } from './order-watch.ts'
import { recordingStorage } from './recording-storage.ts'
import { type Timing, timingsOf } from './timing.ts'

/** Counts of events in one simulation. */
export interface Counts {
  storageCalls: number
  /** Number of triggers and replays without a key. */
  requests: number
  backfills: number
  readonly faults: Map<string, number>
}

const startMs = Date.UTC(2026, 0, 1)

/** Sizes of temporary clock errors, in ms. Each error ends before the engine would adopt the time of the wrong clock. */
export const jumpsMs: readonly number[] = [10_000, 3_600_000, 30 * 86_400_000]

/** Maximum duration of a temporary clock error, in ms: too short for the engine to adopt the wrong time. */
export const longestWrongMs = 12_000

/** The state that all nodes of one seed share: time, data, random numbers and the history. */
export class World {
  readonly seed: number
  /** Random numbers for nodes, user operations and their times. */
  readonly random: SeededRandom
  /** Random numbers for the faults of storage calls. */
  readonly faultRandom: SeededRandom
  readonly clock: VirtualClock
  readonly history: History
  readonly profile: FaultProfile
  readonly spanMs: number
  readonly jobs: readonly SimulatedJob[]
  readonly counts: Counts = { storageCalls: 0, requests: 0, backfills: 0, faults: new Map() }
  readonly startMs: number = startMs
  /**
   * Whether the storage has a clock. This clock shows the true time, unless a fault makes it wrong for some seconds or until
   * a correction.
   */
  readonly hasClock: boolean
  /**
   * Whether `makeClocksJump` makes clocks jump. Independently of this, a fault profile with `steppingClocks` sets clocks of
   * nodes.
   */
  readonly clocksJump: boolean
  /** Whether the storage is sometimes unavailable to all nodes. */
  readonly hasOutages: boolean
  /** Whether nodes suffer faults that affect their heartbeats. */
  readonly troublesNodes: boolean
  /**
   * Maximum number of data jobs that a node holds; `null` for no maximum.
   * - With a maximum, nodes add the data jobs at run time, and load a job when it comes due.
   * - Without a maximum, each node receives all data jobs in its option `jobs`, and holds them.
   */
  readonly heldJobs: number | null
  readonly timingOf: (life: string) => Timing
  /** Maximum time that any clock was set ahead of the true time, in ms. */
  setAheadMs: number = 0
  /** Whether nodes adopt the time of each clock reading at once. Only a sabotage sets this. */
  readonly followsEveryReading: boolean
  /** Whether some jobs have `maxConcurrency`, `startRate` and `priority`. */
  readonly hasPlaces: boolean
  /** Whether processes call `runDue`: not at all, together with running nodes, or instead of them. */
  readonly calls: 'none' | 'beside' | 'alone'
  /** The fault profile; `null` after the faults have stopped. */
  faults: FaultProfile | null
  readonly #database = memoryDatabase()
  readonly #sabotage: Sabotage | null
  #away: { readonly barrier: Barrier; back(): void } | null = null
  /** The lasting and the temporary part of the storage clock's error, in ms. */
  #storageClockSetMs = 0
  #storageClockJumpMs = 0

  constructor(options: {
    readonly seed: number
    readonly sabotage: string | null
    readonly onlyOutages: boolean
    readonly calls: boolean
    readonly places: boolean
  }) {
    const { seed, sabotage, onlyOutages, calls, places } = options
    this.seed = seed
    this.random = new SeededRandom(seed)
    this.faultRandom = new SeededRandom(`faults of ${seed}`)
    this.clock = virtualClock(startMs, { seed })
    this.history = new History(() => this.clock.monotonic())
    const profile = drawFaultProfile(this.random)
    this.profile = onlyOutages ? withoutFaults(profile) : profile
    this.faults = this.profile
    this.spanMs = this.random.whole(1, 6) * 30_000
    this.hasPlaces = places
    const jobs = drawJobs(this.random, { startMs, spanMs: this.spanMs })
    this.jobs = places ? jobsWithPlaces(jobs, seed) : jobs
    this.hasClock = new SeededRandom(`clock of ${seed}`).chance(0.3)
    this.clocksJump = !onlyOutages && new SeededRandom(`jumps of ${seed}`).chance(0.4)
    this.hasOutages = onlyOutages || new SeededRandom(`outages or not in ${seed}`).chance(0.4)
    this.troublesNodes = !onlyOutages && new SeededRandom(`troubles or not in ${seed}`).chance(0.5)
    const held = new SeededRandom(`held in ${seed}`)
    this.heldJobs = held.chance(0.4) ? held.pick([0, 0, 1]) : null
    this.timingOf = timingsOf(seed)
    this.followsEveryReading = sabotage === followEveryReading
    this.#sabotage = sabotage === null ? null : sabotageOf(sabotage)()
    this.calls = calls ? new SeededRandom(`who calls in ${seed}`).pick(['beside', 'alone']) : 'none'
    const { hasClock } = this
    this.history.add(null, { kind: 'clocks', startMs, hasClock, uncertaintyMs: largestUncertainty(this.profile) })
    if (this.hasClock && !onlyOutages) this.#makeStorageClockWrong(new SeededRandom(`wrong clock of ${seed}`))
  }

  /** Starts random temporary errors of the storage's clock. Each error ends before the engine would adopt the wrong time. */
  #makeStorageClockWrong(random: SeededRandom): void {
    this.later(random.whole(1000, 60_000), () => {
      if (this.faults === null) return
      this.countFault('wrong storage clock')
      this.#setStorageClock({ jumpMs: random.pick([-1, 1]) * random.pick(jumpsMs) })
      this.later(random.whole(1, longestWrongMs), () => {
        this.#setStorageClock({ jumpMs: 0 })
        this.#makeStorageClockWrong(random)
      })
    })
  }

  /** Sets the storage's clock `offsetMs` ahead of the true time, until it is set or corrected again. */
  setStorageClock(offsetMs: number): void {
    this.setAheadMs = Math.max(this.setAheadMs, offsetMs)
    this.#setStorageClock({ setMs: offsetMs })
  }

  /** Sets the storage's clock to the true time. */
  correctStorageClock(): void {
    this.#setStorageClock({ setMs: 0, jumpMs: 0 })
  }

  #setStorageClock({ setMs, jumpMs }: { readonly setMs?: number; readonly jumpMs?: number }): void {
    const before = this.#storageClockOffsetMs
    this.#storageClockSetMs = setMs ?? this.#storageClockSetMs
    this.#storageClockJumpMs = jumpMs ?? this.#storageClockJumpMs
    const offsetMs = this.#storageClockOffsetMs
    if (offsetMs !== before) this.history.add(null, { kind: 'storage.clock-stepped', offsetMs })
  }

  get #storageClockOffsetMs(): number {
    return this.#storageClockSetMs + this.#storageClockJumpMs
  }

  /** Makes the storage unavailable to all nodes. */
  leaveStorage({ hangs }: { readonly hangs: boolean }): void {
    let back = (): void => undefined
    const lifted = hangs
      ? new Promise<void>((resolve) => {
          back = resolve
        })
      : null
    this.#away = { barrier: { fault: 'away', lifted }, back }
    this.countFault('outage')
    this.history.add(null, { kind: 'storage.away', hangs })
  }

  /** Makes the storage available again to all nodes. */
  returnStorage(): void {
    if (this.#away === null) return
    const { back } = this.#away
    this.#away = null
    this.history.add(null, { kind: 'storage.back' })
    back()
  }

  /** Removes all node records, as a crash of a PostgreSQL server does. */
  async forgetNodes(): Promise<void> {
    this.countFault('node records lost')
    this.history.add(null, { kind: 'storage.forgot-nodes' })
    const storage = memoryStorage({ database: this.#database })
    const look = { now: this.clock.now(), own: null, profilesOf: [] }
    const { nodes } = await storage.heartbeat({ ...look, remove: [] })
    await storage.heartbeat({ ...look, remove: nodes.map(({ incarnation, counter }) => ({ incarnation, counter })) })
  }

  /** The barrier for all nodes; `null` while the storage is available. */
  get awayBarrier(): Barrier | null {
    return this.#away?.barrier ?? null
  }

  /**
   * Adds the sabotage to a node's connection. Returns `connection` itself if there is no sabotage, or if the sabotage does not
   * change connections.
   */
  behind(connection: Storage): Storage {
    return this.#sabotage?.connection?.(connection) ?? connection
  }

  /** Opens a connection to the database for one node. The history records its calls. */
  connect(life: { readonly name: string; readonly starting: boolean }): Storage {
    const storage = memoryStorage({ database: this.#database })
    const broken = this.#broken(storage)
    const timed = this.hasClock
      ? wrapStorage(broken, { serverTime: async () => this.clock.now() + this.#storageClockOffsetMs })
      : broken
    const recorded = recordingStorage(timed, this.history, life)
    if (!this.hasPlaces) return recorded
    // The order watch returns each answer only after its own reads. The recorder must receive answers without this delay, so
    // the order watch wraps the recorder.
    return watchOrder(recorded, memoryStorage({ database: this.#database }), this.history, life.name)
  }

  /** Opens a connection whose calls are not recorded, to read the final state. */
  inspect(): Storage {
    const storage = memoryStorage({ database: this.#database })
    return this.#broken(storage)
  }

  #broken(storage: Storage): Storage {
    return this.#sabotage?.storage?.(storage) ?? storage
  }

  /** Calls `callback` after `delayMs` of virtual time. */
  later(delayMs: number, callback: () => void): void {
    const end = this.clock.monotonic() + delayMs
    const look = (): void => {
      const left = end - this.clock.monotonic()
      if (left > 0) this.clock.setTimer(left, look)
      else callback()
    }
    this.clock.setTimer(delayMs, look)
  }

  countFault(fault: string): void {
    this.counts.faults.set(fault, (this.counts.faults.get(fault) ?? 0) + 1)
  }
}
