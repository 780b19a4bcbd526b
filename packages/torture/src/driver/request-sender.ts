import type { DriverEvent } from '../record/history.ts'
import { sleep } from '../support/sleep.ts'
import type { SeededRandom } from '@jobistemer/test-kit'
import { jobNames } from '../workload/workload.ts'
import type { Fleet } from './fleet.ts'
import type { CommandOutcome } from './node-process.ts'
import { target } from './target.ts'

/** What nodes were asked for, by kind. */
export interface RequestFigures {
  triggers: number
  replays: number
  cancels: number
  forcedCancels: number
  pauses: number
  /** Requests that were sent again because the node had died before it answered. */
  repeatedRequests: number
}

const againAfterMs = 20

/** Of triggers, in turn. */
const priorities: readonly number[] = [0, 5, -5]

/** Asks nodes for what people ask schedulers for. */
export class RequestSender {
  readonly figures: RequestFigures = {
    triggers: 0,
    replays: 0,
    cancels: 0,
    forcedCancels: 0,
    pauses: 0,
    repeatedRequests: 0,
  }
  readonly #fleet: Fleet
  readonly #random: SeededRandom
  readonly #record: (event: DriverEvent) => void
  /** Jobs whose pause or resumption is being asked for, or may still be on its way. */
  readonly #pausing = new Set<string>()
  /** Jobs with a pause of which nobody knows when it takes effect: its process died before it was answered. */
  readonly #latePauses = new Set<string>()
  #requests = 0
  #over = false

  constructor(fleet: Fleet, options: { random: SeededRandom; record: (event: DriverEvent) => void }) {
    this.#fleet = fleet
    this.#random = options.random
    this.#record = options.record
  }

  /** What is not answered from now on is not asked for again. */
  end(): void {
    this.#over = true
  }

  /** A run out of turn; asked for under the same key until a node lives to answer. */
  async request(kind: 'trigger' | 'replay'): Promise<void> {
    const key = `torture-${++this.#requests}`
    const job = this.#random.pick(jobNames)
    const choice = this.#random.next()
    const priority = priorities[this.#requests % priorities.length] as number
    this.#record({ event: 'asked', request: kind, key })
    this.figures[kind === 'trigger' ? 'triggers' : 'replays']++
    for (;;) {
      const process = await target(this.#fleet, this.#random, () => this.#fleet.up)
      const answer = await process.command({ do: kind, job, key, choice, priority })
      if (answer.outcome === 'done' && answer.occurrence !== null) {
        this.#record({ event: 'accepted', occurrence: answer.occurrence })
      }
      if (answer.outcome !== 'unknown') return
      // A replay names the occurrence that it is of, and a second choice might be another one.
      if (kind === 'replay' || this.#over) return
      this.figures.repeatedRequests++
    }
  }

  async cancel(force: boolean): Promise<void> {
    const job = this.#random.pick(jobNames)
    const choice = this.#random.next()
    const process = await target(this.#fleet, this.#random, () => this.#fleet.up)
    await process.command({ do: 'cancel', job, choice, force })
    this.figures[force ? 'forcedCancels' : 'cancels']++
  }

  async pause(forMs: number): Promise<void> {
    const job = this.#random.pick(jobNames)
    if (this.#pausing.has(job)) return
    this.#pausing.add(job)
    this.figures.pauses++
    const paused = await this.#ask({ do: 'pause', job })
    // Without an answer it is paused, will be, or not: nothing is checked then.
    if (paused.outcome === 'done') this.#record({ event: 'paused', job })
    if (paused.outcome === 'unknown') this.#latePauses.add(job)
    await sleep(forMs)
    this.#record({ event: 'resuming', job })
    // A resumption that may still be on its way could end another pause.
    if (await this.#resume(job)) this.#pausing.delete(job)
  }

  /** Resumes once more what a pause may have come to after its resumption: it was on its way when its process died. */
  async resumeAll(): Promise<void> {
    for (const job of this.#latePauses) await this.#resume(job)
  }

  /** Answers whether the job was resumed by the one request that was sent. */
  async #resume(job: string): Promise<boolean> {
    for (let isFirst = true; ; isFirst = false) {
      const { outcome } = await this.#ask({ do: 'resume', job })
      if (outcome === 'done') return isFirst
      await sleep(againAfterMs)
    }
  }

  async #ask(command: { readonly do: 'pause' | 'resume'; readonly job: string }): Promise<CommandOutcome> {
    const process = await target(this.#fleet, this.#random, () => this.#fleet.up)
    return await process.command(command)
  }
}
