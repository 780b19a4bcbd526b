import { AfterTurn } from '../runtime/after-turn.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { ForgottenRequests } from './forgotten-requests.ts'
import type { RegisteredJob } from './registered-job.ts'
import { mostListed } from '../../tuning.ts'

/**
 * Jobs that have gone back behind a slot whose creation the storage had acknowledged to this node: it has forgotten its last
 * moments, as after a failover to a replica that was behind. What it has forgotten runs again, which is to be known.
 */
export class ForgottenSlots {
  readonly #engine: Pick<EngineContext, 'logger'>
  readonly #requests: Pick<ForgottenRequests, 'look'>
  readonly #names: string[] = []
  #since = Number.POSITIVE_INFINITY
  readonly #saying = new AfterTurn(() => this.#say())

  constructor(engine: Pick<EngineContext, 'logger'>, requests: Pick<ForgottenRequests, 'look'>) {
    this.#engine = engine
    this.#requests = requests
  }

  /** The job's head, of the version that this node knows, is decided up to this instant. */
  look(job: RegisteredJob, watermark: number): void {
    if (watermark >= job.created) return
    // What is created from now on is news again.
    job.created = Number.NEGATIVE_INFINITY
    this.#names.push(job.job.name)
    this.#since = Math.min(this.#since, watermark)
    this.#saying.ask()
  }

  #say(): void {
    this.#requests.look()
    const jobs = this.#names.splice(0)
    const since = new Date(this.#since)
    this.#since = Number.POSITIVE_INFINITY
    this.#engine.logger.error(
      { jobs: jobs.slice(0, mostListed), count: jobs.length, since },
      'the storage has forgotten what it had acknowledged: slots since then run again, and what was asked for since is gone',
    )
  }
}
