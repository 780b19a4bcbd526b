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

/** Numbers of events of one world. */
export interface Counts {
  storageCalls: number
  /** Triggers and replays without a key. */
  requests: number
  backfills: number
  readonly faults: Map<string, number>
}

const startMs = Date.UTC(2026, 0, 1)

/** Errors of clocks that end before the engine would follow them, in ms. */
export const jumpsMs: readonly number[] = [10_000, 3_600_000, 30 * 86_400_000]

/** Maximum duration of such an error, in ms. */
export const longestWrongMs = 12_000

/** What the nodes of one seed share: time, data, chance and the history. */
export class World {
  readonly seed: number
  /** Draws nodes, operations and their moments. */
  readonly random: SeededRandom
  /** Draws the faults of calls. */
  readonly faultRandom: SeededRandom
  readonly clock: VirtualClock
  readonly history: History
  readonly profile: FaultProfile
  readonly spanMs: number
  readonly jobs: readonly SimulatedJob[]
  readonly counts: Counts = { storageCalls: 0, requests: 0, backfills: 0, faults: new Map() }
  readonly startMs: number = startMs
  /** Whether the storage has a clock. It is right, except for brief errors and some jumps. */
  readonly hasClock: boolean
  /** Whether clocks jump in addition to being set. */
  readonly clocksJump: boolean
  /** Whether the storage is at times unavailable to all nodes. */
  readonly hasOutages: boolean
  /** Whether nodes suffer faults that affect their heartbeats. */
  readonly troublesNodes: boolean
  /**
   * Number of jobs that are data that a node holds. Users then add these jobs at run time, and nodes load them when they come
   * due. `null`: each node receives and holds all of them.
   */
  readonly heldJobs: number | null
  readonly timingOf: (life: string) => Timing
  /** Maximum that any clock was set ahead of the truth. */
  setAheadMs: number = 0
  /** Whether nodes believe each clock reading at once: a sabotage. */
  readonly followsEveryReading: boolean
  /** Whether some jobs have `maxConcurrency`, `startRate` and `priority`. */
  readonly hasPlaces: boolean
  /** Whether `runDue` is called, beside running nodes or in place of them. */
  readonly calls: 'none' | 'beside' | 'alone'
  /** `null` after the faults have stopped. */
  faults: FaultProfile | null
  readonly #database = memoryDatabase()
  readonly #sabotage: Sabotage | null
  #away: { readonly barrier: Barrier; back(): void } | null = null
  /** Error of the storage's clock: the set error, and a brief one on top. */
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

  /** At times makes the storage's clock wrong, for less time than the engine needs to follow it. */
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

  /** Sets the clock of the storage ahead of the truth until the next call or correction. */
  setStorageClock(offsetMs: number): void {
    this.setAheadMs = Math.max(this.setAheadMs, offsetMs)
    this.#setStorageClock({ setMs: offsetMs })
  }

  /** Sets the storage's clock right. */
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

  /** Makes the storage available again. */
  returnStorage(): void {
    if (this.#away === null) return
    const { back } = this.#away
    this.#away = null
    this.history.add(null, { kind: 'storage.back' })
    back()
  }

  /** The storage loses all node records, as PostgreSQL does when its server crashes. */
  async forgetNodes(): Promise<void> {
    this.countFault('node records lost')
    this.history.add(null, { kind: 'storage.forgot-nodes' })
    const storage = memoryStorage({ database: this.#database })
    const look = { now: this.clock.now(), own: null, profilesOf: [] }
    const { nodes } = await storage.heartbeat({ ...look, remove: [] })
    await storage.heartbeat({ ...look, remove: nodes.map(({ incarnation, counter }) => ({ incarnation, counter })) })
  }

  /** The obstacle for all nodes; `null` while the storage is available. */
  get awayBarrier(): Barrier | null {
    return this.#away?.barrier ?? null
  }

  /** A node's connection, as changed by a sabotage. */
  behind(connection: Storage): Storage {
    return this.#sabotage?.connection?.(connection) ?? connection
  }

  /** Opens a connection to the data and records its answers. */
  connect(life: { readonly name: string; readonly starting: boolean }): Storage {
    const storage = memoryStorage({ database: this.#database })
    const broken = this.#broken(storage)
    const timed = this.hasClock
      ? wrapStorage(broken, { serverTime: async () => this.clock.now() + this.#storageClockOffsetMs })
      : broken
    const recorded = recordingStorage(timed, this.history, life)
    if (!this.hasPlaces) return recorded
    // Outside of the recorder, because effects are recorded in order only if no wrapper delays their answers.
    return watchOrder(recorded, memoryStorage({ database: this.#database }), this.history, life.name)
  }

  /** Opens a connection that reads the final state. */
  inspect(): Storage {
    const storage = memoryStorage({ database: this.#database })
    return this.#broken(storage)
  }

  #broken(storage: Storage): Storage {
    return this.#sabotage?.storage?.(storage) ?? storage
  }

  /** Calls back after `delayMs` of virtual time. */
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
