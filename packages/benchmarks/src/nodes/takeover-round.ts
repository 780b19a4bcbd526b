import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { startNode } from './start-node.ts'
import { isWanted } from '../suite.ts'
import type { Begin, Start, TakeoverOrder } from './takeover-process.ts'

const program = new URL('./takeover-process.js', import.meta.url)

/** Number of nodes that start at the same time. More nodes would delay each other. */
const startsAtOnce = 4

export type Way = 'kill -9' | 'shutdown' | 'same name' | 'same name, without its loading'

interface TakeoverOptions {
  /** Number of nodes that the benchmark ends in each way, for example by a kill or a shutdown. */
  readonly count: number
  /** `deadAfter` in ms; `null`: the scheduler's default. */
  readonly deadAfter: number | null
  /**
   * The ways of ending a node that the benchmark measures, each by the first word of its name: `shutdown` or `kill`, for
   * example. Default: all ways.
   */
  readonly ways: readonly string[] | undefined
}

/** A node that the benchmark ends, with the node's running task. */
interface Victim {
  readonly node: string
  readonly child: ChildProcess
  readonly job: string
}

/** Ends nodes in the middle of a task. A surviving node takes over their runs. */
export class TakeoverRound {
  readonly #address: string
  readonly #count: number
  readonly #deadAfter: number | null
  readonly #ways: readonly string[] | undefined
  /**
   * The names of all jobs. Before the benchmark ends a node, the node must run a task. So the node triggers one job after
   * another until it begins a triggered run itself. Other nodes may begin some of these runs, so there are spare jobs.
   */
  readonly #jobs: readonly string[]
  readonly #starts: Start[] = []
  /** For each node name, the time at which the last process of this node began to work. */
  readonly #begins = new Map<string, number>()
  readonly #children: ChildProcess[] = []
  #used = 0

  constructor(address: string, { count, deadAfter, ways }: TakeoverOptions) {
    this.#address = address
    this.#count = count
    this.#deadAfter = deadAfter
    this.#ways = ways
    this.#jobs = Array.from({ length: 4 * count + 4 }, (_, index) => `job ${index}`)
  }

  /** Ends `count` nodes in each way. Returns the milliseconds from the end of each node to the next attempt of its task. */
  async run(): Promise<Readonly<Record<Way, readonly number[]>>> {
    try {
      await this.#start('survivor')
      const killed = this.#isWanted('kill -9') ? await this.#kill() : []
      // Takeovers from killed nodes take long. To save time, the benchmark measures shutdowns and restarts meanwhile.
      const shutdown = this.#isWanted('shutdown') ? await this.#shutDown() : []
      const restarted = this.#isWanted('same name') ? await this.#restart() : []
      return {
        'kill -9': await Promise.all(killed),
        shutdown,
        'same name': restarted.map(({ fromProcess }) => fromProcess),
        'same name, without its loading': restarted.map(({ fromBegin }) => fromBegin),
      }
    } finally {
      for (const child of this.#children) child.kill('SIGKILL')
    }
  }

  #isWanted(way: Way): boolean {
    return isWanted(this.#ways, way)
  }

  /**
   * Kills the nodes. Returns a promise for each kill. The promise resolves to the ms from the kill to the next attempt of the
   * task that the killed node ran.
   */
  async #kill(): Promise<readonly Promise<number>[]> {
    const killed: Promise<number>[] = []
    for (const victim of await this.#prepare('killed')) {
      // Spreads the kills randomly over the interval between two heartbeats.
      await wait(Math.random() * 500)
      victim.child.kill('SIGKILL')
      killed.push(this.#runAgain(victim, Date.now()))
    }
    return killed
  }

  async #shutDown(): Promise<readonly number[]> {
    const times: number[] = []
    for (const victim of await this.#prepare('shut down')) {
      const endedAt = Date.now()
      victim.child.send('end')
      times.push(await this.#runAgain(victim, endedAt))
    }
    return times
  }

  async #restart(): Promise<readonly { readonly fromProcess: number; readonly fromBegin: number }[]> {
    const times: { readonly fromProcess: number; readonly fromBegin: number }[] = []
    for (const victim of await this.#prepare('restarted')) {
      const ended = once(victim.child, 'exit')
      victim.child.kill('SIGKILL')
      await ended
      const beginsAt = Date.now()
      const next = this.#start(victim.node)
      const fromProcess = await this.#runAgain(victim, beginsAt)
      const loadMs = (this.#begins.get(victim.node) ?? beginsAt) - beginsAt
      times.push({ fromProcess, fromBegin: fromProcess - loadMs })
      ;(await next).kill('SIGKILL')
    }
    return times
  }

  async #prepare(name: string): Promise<readonly Victim[]> {
    const victims: Victim[] = []
    for (let first = 0; first < this.#count; first += startsAtOnce) {
      const length = Math.min(startsAtOnce, this.#count - first)
      const some = Array.from({ length }, (_, index) => this.#victim(`${name} ${first + index}`))
      victims.push(...(await Promise.all(some)))
    }
    return victims
  }

  async #victim(node: string): Promise<Victim> {
    const child = await this.#start(node)
    for (;;) {
      const job = this.#jobs[this.#used++]
      if (job === undefined)
        throw new Error(
          'A node started none of the runs that it triggered, because other nodes started them. Repeat the benchmark.',
        )
      child.send({ trigger: job })
      if ((await this.#startOf(job, 1)).node === node) return { node, child, job }
    }
  }

  async #start(nodeId: string): Promise<ChildProcess> {
    const order: TakeoverOrder = {
      address: this.#address,
      nodeId,
      jobs: this.#jobs,
      deadAfter: this.#deadAfter,
    }
    const child = await startNode(program, order, (message) => this.#hear(message as Start | Begin))
    this.#children.push(child)
    return child
  }

  #hear(message: Start | Begin): void {
    if ('beginsAt' in message) this.#begins.set(message.node, message.beginsAt)
    else this.#starts.push(message)
  }

  async #runAgain({ job }: Victim, since: number): Promise<number> {
    return (await this.#startOf(job, 2)).at - since
  }

  async #startOf(job: string, attempt: number): Promise<Start> {
    for (;;) {
      const found = this.#starts.find((start) => start.job === job && start.attempt === attempt)
      if (found !== undefined) return found
      await wait(20)
    }
  }
}
