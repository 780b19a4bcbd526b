import type { DriverEvent } from '../record/history.ts'
import { sleep } from '../support/sleep.ts'
import type { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
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
  /** Number of requests that were repeated because the node died before it answered. */
  repeatedRequests: number
}

const againAfterMs = 20

/**
 * Priorities of triggers, used one after the other. No priority is below 0, because a trigger with a negative priority would
 * wait an hour longer than the slots of a busy job.
 */
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
  /** Jobs for which a pause or resume is in progress, or may still take effect. */
  readonly #pausing = new Set<string>()
  /**
   * Jobs with a pause that got no answer, because the process that received the command died. The pause may still take
   * effect.
   */
  readonly #latePauses = new Set<string>()
  #requests = 0
  #over = false

  constructor(fleet: Fleet, options: { random: SeededRandom; record: (event: DriverEvent) => void }) {
    this.#fleet = fleet
    this.#random = options.random
    this.#record = options.record
  }

  /** Stops repeating requests that get no answer. */
  end(): void {
    this.#over = true
  }

  /** Sends a trigger or a replay. Repeats a trigger under the same key until a node answers. */
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
      // Does not repeat a replay, because the node would choose an original again, and might choose another occurrence.
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
    // Only a confirmed pause is recorded. Without an answer the job may or may not be paused, so the checks ignore the pause.
    if (paused.outcome === 'done') this.#record({ event: 'paused', job })
    if (paused.outcome === 'unknown') this.#latePauses.add(job)
    await sleep(forMs)
    this.#record({ event: 'resuming', job })
    // If the resume got no answer, it may still take effect, and could end a later pause. So in this case the job is
    // not paused again.
    if (await this.#resume(job)) this.#pausing.delete(job)
  }

  /**
   * Resumes all jobs with an unanswered pause again, because the pause may have taken effect after the first resume.
   */
  async resumeAll(): Promise<void> {
    for (const job of this.#latePauses) await this.#resume(job)
  }

  /** Resumes the job. Repeats the request until a node answers. Returns whether the first request succeeded. */
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
