import type { DriverEvent } from '../record/history.ts'
import { hostTime } from '../record/host-time.ts'
import type { StorageServer } from '../storages/storage-server.ts'
import { Random } from '../workload/random.ts'
import { jobNames } from '../workload/workload.ts'
import type { Fault } from './fault-plan.ts'
import type { Fleet } from './fleet.ts'
import type { CommandOutcome, NodeProcess } from './node-process.ts'
import { StorageBreaker, type StorageFaultFigures } from './storage-breaker.ts'
import { sleep } from '../support/sleep.ts'
import { WorkWatch } from './work-watch.ts'

/** What was done, by kind. */
export interface FaultFigures extends StorageFaultFigures {
  kills: number
  blackouts: number
  outlived: number
  shortStops: number
  longStops: number
  shutdowns: number
  triggers: number
  replays: number
  cancels: number
  forcedCancels: number
  pauses: number
  /** Times that a node's clock was set. */
  jumps: number
  /** Requests that were sent again because the node had died before it answered. */
  repeatedRequests: number
}

// This share of the kills may hit processes that have not started yet.
const killsWhileStarting = 0.2

export interface FaultRunnerOptions {
  readonly seed: string
  readonly witnessFile: string
  /** The storage's; `null` where there is none. */
  readonly server: StorageServer | null
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
    triggers: 0,
    replays: 0,
    cancels: 0,
    forcedCancels: 0,
    pauses: 0,
    jumps: 0,
    repeatedRequests: 0,
  }
  readonly #fleet: Fleet
  readonly #record: (event: DriverEvent) => void
  readonly #random: Random
  readonly #work: WorkWatch
  readonly #storage: StorageBreaker
  readonly #underWay = new Set<Promise<void>>()
  /** Jobs whose pause or resumption is being asked for, or may still be on its way. */
  readonly #pausing = new Set<string>()
  /** Jobs with a pause of which nobody knows when it takes effect: its process died before it was answered. */
  readonly #latePauses = new Set<string>()
  /** Processes that are stopped so that others replace them: killing them would spoil it. */
  readonly #spared = new Set<NodeProcess>()
  #requests = 0
  #over = false

  constructor(fleet: Fleet, options: FaultRunnerOptions) {
    const { seed, record } = options
    this.#fleet = fleet
    this.#storage = new StorageBreaker(options.server, { record, random: new Random(`${seed}:storage`) })
    this.#work = new WorkWatch(options.witnessFile)
    this.#record = record
    this.#random = new Random(`${seed}:targets`)
  }

  get figures(): FaultFigures {
    return { ...this.#figures, ...this.#storage.figures }
  }

  /** Resolves when the whole plan is done, nothing of it is under way, and so many processes were killed. */
  async run(plan: readonly Fault[], leastKills: number): Promise<void> {
    let startedAt = hostTime().mono
    for (const fault of plan) {
      await sleep(startedAt + fault.atMs - hostTime().mono)
      if (fault.kind !== 'kill') {
        this.#start(fault)
        continue
      }
      // While there is nobody to kill the plan stands still: otherwise all that gathers hits those who come up first.
      const waitsFrom = hostTime().mono
      await this.#kill()
      startedAt += hostTime().mono - waitsFrom
    }
    this.#over = true
    await Promise.all(this.#underWay)
    // A blackout counts on every node, and now and then finds one that is dead already.
    while (this.#figures.kills < leastKills) {
      await sleep(this.#random.between(100, 500))
      await this.#kill()
    }
  }

  /** Resumes once more what a pause may have come to after its resumption: it was on its way when its process died. */
  async resumeAll(): Promise<void> {
    for (const job of this.#latePauses) await this.#resume(job)
  }

  #start(fault: Exclude<Fault, { kind: 'kill' }>): void {
    const work = this.#do(fault)
    this.#underWay.add(work)
    // What fails stays in the set, and fails the run.
    work.then(
      () => this.#underWay.delete(work),
      () => {},
    )
  }

  async #kill(): Promise<void> {
    // Most have started: on a busy machine that takes long, and nothing would ever be done.
    const alsoStarting = this.#random.chance(killsWhileStarting)
    const victim = await this.#target(() =>
      this.#fleet.killable.filter((process) => (alsoStarting || process.isUp) && !this.#spared.has(process)),
    )
    if (victim.kill()) this.#figures.kills++
  }

  /** A random one of the candidates, waited for if there is none at the moment. */
  async #target(candidates: () => readonly NodeProcess[]): Promise<NodeProcess> {
    for (;;) {
      const present = candidates()
      if (present.length > 0) return this.#random.pick(present)
      this.#fleet.assertAlive()
      await sleep(20)
    }
  }

  /** One that has a handler at work, so that there is something to take from it; after a while, any. */
  async #targetAtWork(candidates: () => readonly NodeProcess[]): Promise<NodeProcess> {
    for (let looks = 0; looks < 100; looks++) {
      const atWork = candidates().filter((process) => this.#work.isAtWork(process.life))
      if (atWork.length > 0) return this.#random.pick(atWork)
      await sleep(20)
    }
    return await this.#target(candidates)
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
        const process = await this.#target(() => this.#fleet.present)
        await process.command({ do: 'shutdown' })
        this.#figures.shutdowns++
        return
      }
      case 'trigger':
      case 'replay':
        return await this.#request(fault.kind)
      case 'cancel':
        return await this.#cancel(fault.force)
      case 'pause':
        return await this.#pause(fault.forMs)
      case 'jump': {
        const process = await this.#target(() => this.#fleet.present)
        this.#figures.jumps++
        return await this.#fleet.jump(process, fault.forMs)
      }
      case 'break':
      case 'lose-answers':
      case 'cut':
      case 'restart':
        return await this.#storage.carryOut(fault)
    }
  }

  async #stop({ forMs, beyondTimeout, by }: Extract<Fault, { kind: 'stop' }>): Promise<void> {
    const process = await (beyondTimeout
      ? this.#targetAtWork(() => this.#fleet.present)
      : this.#target(() => this.#fleet.present))
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

  async #request(kind: 'trigger' | 'replay'): Promise<void> {
    const key = `torture-${++this.#requests}`
    const job = this.#random.pick(jobNames)
    const choice = this.#random.next()
    this.#record({ event: 'asked', request: kind, key })
    this.#figures[kind === 'trigger' ? 'triggers' : 'replays']++
    for (;;) {
      const process = await this.#target(() => this.#fleet.up)
      const answer = await process.command({ do: kind, job, key, choice })
      if (answer.outcome === 'done' && answer.occurrence !== null) {
        this.#record({ event: 'accepted', occurrence: answer.occurrence })
      }
      if (answer.outcome !== 'unknown') return
      // A replay names the occurrence that it is of, and a second choice might be another one.
      if (kind === 'replay' || this.#over) return
      this.#figures.repeatedRequests++
    }
  }

  async #cancel(force: boolean): Promise<void> {
    const job = this.#random.pick(jobNames)
    const choice = this.#random.next()
    const process = await this.#target(() => this.#fleet.up)
    await process.command({ do: 'cancel', job, choice, force })
    this.#figures[force ? 'forcedCancels' : 'cancels']++
  }

  async #pause(forMs: number): Promise<void> {
    const job = this.#random.pick(jobNames)
    if (this.#pausing.has(job)) return
    this.#pausing.add(job)
    this.#figures.pauses++
    const paused = await this.#ask({ do: 'pause', job })
    // Without an answer it is paused, will be, or not: nothing is checked then.
    if (paused.outcome === 'done') this.#record({ event: 'paused', job })
    if (paused.outcome === 'unknown') this.#latePauses.add(job)
    await sleep(forMs)
    this.#record({ event: 'resuming', job })
    // A resumption that may still be on its way could end another pause.
    if (await this.#resume(job)) this.#pausing.delete(job)
  }

  /** Answers whether the job was resumed by the one request that was sent. */
  async #resume(job: string): Promise<boolean> {
    for (let isFirst = true; ; isFirst = false) {
      const { outcome } = await this.#ask({ do: 'resume', job })
      if (outcome === 'done') return isFirst
      await sleep(20)
    }
  }

  async #ask(command: { readonly do: 'pause' | 'resume'; readonly job: string }): Promise<CommandOutcome> {
    const process = await this.#target(() => this.#fleet.up)
    return await process.command(command)
  }
}
