import type { DriverEvent } from '../record/history.ts'
import { sleep } from '../support/sleep.ts'
import type { SeededRandom } from '@jobistemer/test-kit'
import { jobNames } from '../workload/workload.ts'
import type { Fleet } from './fleet.ts'
import type { CommandOutcome } from './node-process.ts'
import { target } from './target.ts'

/** Number of requests to the nodes, by kind. */
export interface RequestFigures {
  triggers: number
  replays: number
  cancels: number
  forcedCancels: number
  pauses: number
  /** Requests that were repeated because the node had died before it answered. */
  repeatedRequests: number
}

const againAfterMs = 20

/** Priorities of triggers, in turn. A lower one would wait an hour behind the slots of a job without spare time. */
const priorities: readonly number[] = [0, 5, 1]

/** Sends the requests of users to the nodes. */
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
  /** Jobs with a pause or resumption that is in progress, or may still take effect. */
  readonly #pausing = new Set<string>()
  /** Jobs with a pause that may take effect at any time, because its process died before it answered. */
  readonly #latePauses = new Set<string>()
  #requests = 0
  #over = false

  constructor(fleet: Fleet, options: { random: SeededRandom; record: (event: DriverEvent) => void }) {
    this.#fleet = fleet
    this.#random = options.random
    this.#record = options.record
  }

  /** From now on, requests without an answer are not repeated. */
  end(): void {
    this.#over = true
  }

  /** Sends a trigger or a replay, and repeats it under the same key until a node answers. */
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
      // A replay names its original, and a second choice might be another occurrence.
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
    // Without an answer the job may or may not be paused. The checks then ignore the pause.
    if (paused.outcome === 'done') this.#record({ event: 'paused', job })
    if (paused.outcome === 'unknown') this.#latePauses.add(job)
    await sleep(forMs)
    this.#record({ event: 'resuming', job })
    // A resumption that may still take effect could end another pause.
    if (await this.#resume(job)) this.#pausing.delete(job)
  }

  /** Resumes the jobs whose pause may have taken effect after their resumption, because its process had died. */
  async resumeAll(): Promise<void> {
    for (const job of this.#latePauses) await this.#resume(job)
  }

  /** Resumes the job. Returns whether the one request that was sent did it. */
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
