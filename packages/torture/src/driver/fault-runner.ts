import type { DriverEvent } from '../record/history.ts'
import { hostTime } from '../record/host-time.ts'
import type { StorageServer } from '../storages/storage-server.ts'
import { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import type { Fault } from './fault-plan.ts'
import type { Fleet } from './fleet.ts'
import type { NodeProcess } from './node-process.ts'
import { RequestSender, type RequestFigures } from './request-sender.ts'
import { StorageBreaker, type StorageFaultFigures } from './storage-breaker.ts'
import { sleep } from '../support/sleep.ts'
import { target } from './target.ts'
import { WorkWatch } from './work-watch.ts'

/** Number of faults, by kind. */
export interface FaultFigures extends StorageFaultFigures, RequestFigures {
  kills: number
  blackouts: number
  outlived: number
  shortStops: number
  longStops: number
  shutdowns: number
  /** Number of times that a node's clock was set. */
  jumps: number
}

// Share of kills that may hit processes during their start.
const killsWhileStarting = 0.2

export interface FaultRunnerOptions {
  readonly seed: string
  readonly witnessFile: string
  /** The server of the storage; `null` without a server. */
  readonly server: StorageServer | null
  /** Removes all node records from the storage. */
  readonly forgetNodes: () => Promise<void>
  readonly record: (event: DriverEvent) => void
}

/** Carries out a plan of faults on a fleet. */
export class FaultRunner {
  readonly #figures = {
    kills: 0,
    blackouts: 0,
    outlived: 0,
    shortStops: 0,
    longStops: 0,
    shutdowns: 0,
    jumps: 0,
  }
  readonly #fleet: Fleet
  readonly #random: SeededRandom
  readonly #work: WorkWatch
  readonly #requests: RequestSender
  readonly #storage: StorageBreaker
  readonly #underWay = new Set<Promise<void>>()
  /**
   * Processes whose stop must last until other nodes have reaped their runs. The driver does not kill these processes.
   * A kill would end the stop too early.
   */
  readonly #spared = new Set<NodeProcess>()

  constructor(fleet: Fleet, options: FaultRunnerOptions) {
    const { seed, record } = options
    this.#fleet = fleet
    this.#storage = new StorageBreaker(options.server, {
      record,
      random: new SeededRandom(`${seed}:storage`),
      forgetNodes: options.forgetNodes,
    })
    this.#work = new WorkWatch(options.witnessFile)
    this.#random = new SeededRandom(`${seed}:targets`)
    this.#requests = new RequestSender(fleet, { record, random: this.#random })
  }

  get figures(): FaultFigures {
    return { ...this.#figures, ...this.#requests.figures, ...this.#storage.figures }
  }

  /** Injects the planned faults. Resolves after all faults have ended and at least `leastKills` processes were killed. */
  async run(plan: readonly Fault[], leastKills: number): Promise<void> {
    let startedAt = hostTime().mono
    for (const fault of plan) {
      await sleep(startedAt + fault.atMs - hostTime().mono)
      if (fault.kind !== 'kill') {
        this.#start(fault)
        continue
      }
      // If no process can be killed now, this kill waits. All later faults of the plan wait for the same time.
      // Otherwise all kills that were due meanwhile would follow at once, and hit the first processes that start.
      const waitsFrom = hostTime().mono
      await this.#kill()
      startedAt += hostTime().mono - waitsFrom
    }
    this.#requests.end()
    await Promise.all(this.#underWay)
    // The planned number of kills assumes that a blackout kills a process of every node. But some nodes may have no
    // process at that time. So the driver kills further processes until the planned number is reached.
    while (this.#figures.kills < leastKills) {
      await sleep(this.#random.between(100, 500))
      await this.#kill()
    }
  }

  /** Resumes jobs whose pause took effect only after the driver had resumed them. */
  async calmDown(): Promise<void> {
    await this.#requests.resumeAll()
  }

  #start(fault: Exclude<Fault, { kind: 'kill' }>): void {
    const work = this.#do(fault)
    this.#underWay.add(work)
    // If the injection of a fault fails, its promise stays in `#underWay`, so that the run fails.
    work.then(
      () => this.#underWay.delete(work),
      () => {},
    )
  }

  async #kill(): Promise<void> {
    // Most kills hit only processes that have started. Starts take long on a busy machine. If most kills hit starting
    // processes, the nodes would do no work.
    const alsoStarting = this.#random.chance(killsWhileStarting)
    const victim = await target(this.#fleet, this.#random, () =>
      this.#fleet.killable.filter((process) => (alsoStarting || process.isUp) && !this.#spared.has(process)),
    )
    if (victim.kill()) this.#figures.kills++
  }

  /**
   * Returns a node with a running handler, so that the kill leaves a run that another node must take over. If 100
   * attempts find no such node, returns any node.
   */
  async #targetAtWork(candidates: () => readonly NodeProcess[]): Promise<NodeProcess> {
    for (let looks = 0; looks < 100; looks++) {
      const atWork = candidates().filter((process) => this.#work.isAtWork(process.life))
      if (atWork.length > 0) return this.#random.pick(atWork)
      await sleep(20)
    }
    return await target(this.#fleet, this.#random, candidates)
  }

  async #do(fault: Exclude<Fault, { kind: 'kill' }>): Promise<void> {
    switch (fault.kind) {
      case 'stop':
        return await this.#stop(fault)
      case 'outlive':
        return await this.#outlive(fault)
      case 'blackout':
        this.#figures.blackouts++
        this.#figures.kills += await this.#fleet.blackout(fault.downMs)
        return
      case 'shutdown': {
        const process = await target(this.#fleet, this.#random, () => this.#fleet.present)
        await process.command({ do: 'shutdown' })
        this.#figures.shutdowns++
        return
      }
      case 'trigger':
      case 'replay':
        return await this.#requests.request(fault.kind)
      case 'cancel':
        return await this.#requests.cancel(fault.force)
      case 'pause':
        return await this.#requests.pause(fault.forMs)
      case 'jump': {
        const process = await target(this.#fleet, this.#random, () => this.#fleet.present)
        this.#figures.jumps++
        return await this.#fleet.jump(process, fault.forMs)
      }
      case 'break':
      case 'lose-answers':
      case 'cut':
      case 'restart':
      case 'forget-nodes':
      case 'lose-writes':
        return await this.#storage.carryOut(fault)
      case 'kill-and-crash': {
        const victim = await this.#targetAtWork(() => this.#fleet.present.filter((one) => !this.#spared.has(one)))
        if (victim.kill()) this.#figures.kills++
        await sleep(fault.aheadMs)
        return await this.#storage.carryOut({ kind: 'forget-nodes', downMs: fault.downMs })
      }
    }
  }

  async #stop({ forMs, beyondTimeout, by }: Extract<Fault, { kind: 'stop' }>): Promise<void> {
    const process = await (beyondTimeout
      ? this.#targetAtWork(() => this.#fleet.present)
      : target(this.#fleet, this.#random, () => this.#fleet.present))
    if (beyondTimeout) this.#spared.add(process)
    if (by === 'itself') process.stopItself()
    else process.stop()
    await sleep(forMs)
    if (process.isStopped) this.#figures[beyondTimeout ? 'longStops' : 'shortStops']++
    process.resume()
    this.#spared.delete(process)
  }

  async #outlive({ beforeMs, besideMs }: Extract<Fault, { kind: 'outlive' }>): Promise<void> {
    const process = await this.#targetAtWork(() => this.#fleet.present.filter(({ nodeId }) => nodeId !== null))
    this.#spared.add(process)
    const lived = await this.#fleet.outlive(process, beforeMs, besideMs)
    this.#spared.delete(process)
    if (!lived) return
    this.#figures.outlived++
    this.#figures.kills++
  }
}
