import type { CrashPoint } from '../node/crash-points.ts'
import type { Assignment } from '../node/messages.ts'
import type { DriverEvent } from '../record/history.ts'
import type { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import { randomCrashPoint } from '../node/crash-points.ts'
import type { ClockSkew } from './clock-skew.ts'
import { NodeProcess } from './node-process.ts'
import { sleep } from '../support/sleep.ts'

// Every third node has no `nodeId`. The successor of such a node does not recognize the runs of the dead node, so
// another node must take them over.
const namelessEvery = 3

const longestRestartMs = 400

// Maximum number of processes that end by themselves. If more processes end by themselves, the cause is probably an error
// common to all of them, so the run fails.
const mostFailures = 20
const crashingLives = 0.2

const startLimitMs = 300_000

export interface FleetOptions {
  readonly nodes: number
  /** Number of nodes that call `runDue` in a loop instead of running continuously. */
  readonly callers: number
  readonly assignment: Omit<Assignment, 'life' | 'nodeId' | 'isCaller' | 'crashPoint' | 'clockOffsetMs'>
  readonly clocks: ClockSkew
  readonly logDescriptor: number
  readonly random: SeededRandom
  readonly record: (event: DriverEvent) => void
}

/**
 * Maximum time for which the driver waits for a successor's start, in ms. The stopped process may hold a lock that the
 * successor needs.
 */
const longestWaitMs = 10_000

/** The nodes of a run. The fleet restarts each process that ends. */
export class Fleet {
  readonly #options: FleetOptions
  readonly #places: Place[] = []
  /** Resumed processes that run beside their successors with the same node name. */
  readonly #zombies = new Set<NodeProcess>()
  #held = false
  #calm = false
  #closing = false
  #onRelease: (() => void)[] = []
  #failures = 0
  // Kills all processes when the driver exits, because stopped processes would outlive it.
  readonly #killNow = (): void => {
    for (const process of this.#processes()) process.kill()
  }

  constructor(options: FleetOptions) {
    this.#options = options
    process.once('exit', this.#killNow)
    for (let index = 0; index < options.nodes; index++) {
      const isNameless = index % namelessEvery === namelessEvery - 1
      this.#places.push({ index, name: `node-${index + 1}`, isNameless, lives: 0, process: null })
    }
  }

  /**
   * Starts every node. Resolves when each process has started or has died during its start. @throws Error if starting
   * takes more than 300 s
   */
  async start(): Promise<void> {
    let isLate = false
    const late = sleep(startLimitMs, { unref: true }).then(() => {
      isLate = true
    })
    await Promise.race([this.#startAll(), late])
    if (isLate) throw new Error(`The nodes have not started within ${startLimitMs} ms`)
  }

  async #startAll(): Promise<void> {
    // The node that adds the jobs determines their first slots. So the node whose clock is most ahead starts first. If
    // another node added the jobs, all slots up to the time of that clock would be missed slots.
    const { leader } = this.#options.clocks
    const first = leader === null ? undefined : this.#places[leader]
    if (first !== undefined) await this.#startFor(first)
    await Promise.all(this.#places.filter((place) => place.process === null).map((place) => this.#spawn(place).ready))
  }

  async #startFor(place: Place): Promise<void> {
    this.#spawn(place)
    while (place.process?.isUp !== true) {
      this.assertAlive()
      await sleep(20)
    }
  }

  /** @throws Error if more than 20 processes ended by themselves */
  assertAlive(): void {
    if (this.#failures > mostFailures) throw new Error(`${this.#failures} node processes ended by themselves`)
  }

  /** Living processes that are not stopped, including processes during their start. */
  get killable(): readonly NodeProcess[] {
    return this.#processes().filter((process) => process.isKillable)
  }

  /** Processes that accept commands. */
  get up(): readonly NodeProcess[] {
    return this.#processes().filter((process) => process.isUp)
  }

  /** Processes of `up` that no successor has replaced. */
  get present(): readonly NodeProcess[] {
    return this.up.filter((process) => !this.#zombies.has(process))
  }

  /** Kills all processes, and starts none for `downMs`. Returns the number of killed processes. */
  async blackout(downMs: number): Promise<number> {
    this.#held = true
    const killed = this.#processes().filter((process) => process.kill()).length
    await sleep(downMs)
    this.#held = false
    for (const release of this.#onRelease.splice(0)) release()
    return killed
  }

  /**
   * Stops a process, and starts a successor with the same node name. After `beforeMs`, resumes the stopped process, so
   * that it runs beside its successor. Kills the resumed process after `besideMs`. Returns whether the process lived
   * until the kill.
   *
   * A supervisor causes the same events if it wrongly considers a process dead and starts another one.
   */
  async outlive(process: NodeProcess, beforeMs: number, besideMs: number): Promise<boolean> {
    const place = this.#places.find((candidate) => candidate.process === process)
    if (place === undefined) return false
    process.stopItself()
    this.#zombies.add(process)
    place.process = null
    // The stopped process may be inside a transaction that locks the whole SQLite file. In this case, the successor
    // cannot start before the stopped process resumes. So the driver waits at most `longestWaitMs` for the successor.
    await Promise.race([this.#spawn(place).ready, sleep(longestWaitMs, { unref: true })])
    await sleep(beforeMs)
    process.resume()
    await sleep(besideMs)
    const lived = process.kill()
    await process.exited
    this.#zombies.delete(process)
    return lived
  }

  /**
   * Sets the clock of a process to another clock error. If engines do not take the time from the storage's clock, sets
   * the clock back to the usual error of its node after `forMs`.
   */
  async jump(process: NodeProcess, forMs: number): Promise<void> {
    const { clocks } = this.#options
    const place = this.#places.find((candidate) => candidate.process === process)
    if (place === undefined) return
    const back = clocks.afterReturn(place.index)
    await process.command({ do: 'set-clock', offsetMs: clocks.afterJump() })
    if (back === null) return
    await sleep(forMs)
    await process.command({ do: 'set-clock', offsetMs: back })
  }

  /** Disables all crash points, and resumes all stopped processes. Resolves when every node has started. */
  async calmDown(): Promise<void> {
    this.#calm = true
    for (const process of this.#processes()) process.resume()
    for (const place of this.#places) if (place.process?.isAlive === true) await place.process.ready
    // A process may crash before it receives this command. This is no problem, because its successor has no crash
    // point.
    await Promise.all(this.#processes().map((process) => process.command({ do: 'stay' })))
    while (!this.#places.every((place) => place.process?.isUp === true)) {
      this.assertAlive()
      await sleep(20)
    }
  }

  /** Shuts every node down. If nodes have not ended within `limitMs`, kills these nodes and returns false. */
  async shutDown(limitMs: number): Promise<boolean> {
    this.#closing = true
    const processes = this.#processes().filter((process) => process.isAlive)
    for (const process of processes) void process.command({ do: 'shutdown' })
    const ended = Promise.all(processes.map((process) => process.exited)).then(() => true)
    const inTime = await Promise.race([ended, sleep(limitMs, { unref: true }).then(() => false)])
    await this.killAll()
    return inTime
  }

  /** Kills every process, and starts no further process. */
  async killAll(): Promise<void> {
    this.#closing = true
    const processes = this.#processes().filter((process) => process.isAlive)
    for (const process of processes) process.kill()
    await Promise.all(processes.map((process) => process.exited))
    process.off('exit', this.#killNow)
  }

  #processes(): NodeProcess[] {
    const present = this.#places.map((place) => place.process).filter((process) => process !== null)
    return [...present, ...this.#zombies]
  }

  #spawn(place: Place): NodeProcess {
    const { assignment, logDescriptor, record, random } = this.#options
    place.lives++
    const node = new NodeProcess(
      {
        ...assignment,
        life: `${place.name}.${place.lives}`,
        nodeId: place.isNameless ? null : place.name,
        // The first node runs continuously, because it adds the jobs that are data.
        isCaller: place.index >= this.#options.nodes - this.#options.callers,
        clockOffsetMs: this.#options.clocks.ofLife(place.index),
        crashPoint: this.#crashPoint(),
      },
      { logDescriptor, record },
    )
    place.process = node
    void node.exited.then(async () => {
      if (node.hasFailed) this.#failures++
      if (place.process !== node) return
      await sleep(this.#calm ? 0 : random.between(0, longestRestartMs))
      if (this.#held) await new Promise<void>((resolve) => this.#onRelease.push(resolve))
      if (place.process === node && !this.#closing) this.#spawn(place)
    })
    return node
  }

  #crashPoint(): CrashPoint | null {
    const { random } = this.#options
    return !this.#calm && random.chance(crashingLives) ? randomCrashPoint(random) : null
  }
}

interface Place {
  readonly index: number
  readonly name: string
  readonly isNameless: boolean
  lives: number
  process: NodeProcess | null
}
