import { AfterTurn } from '../runtime/after-turn.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { ForgottenRequests } from './forgotten-requests.ts'
import type { RegisteredJob } from './registered-job.ts'
import { mostListed } from '../../tuning.ts'

/**
 * Detects that the storage has lost acknowledged writes, for example after a failover to a replica that was behind. Sign: a
 * job's watermark lies before a slot whose creation the storage had acknowledged to this node. The lost slots run again, so
 * this class logs an error.
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

  /** Compares the watermark of a head with the created slots. The head must have the version that this node knows. */
  look(job: RegisteredJob, watermark: number): void {
    if (watermark >= job.created) return
    // A loss of slots that this node creates from now on is reported again.
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
      'the storage has lost acknowledged writes: slots since then run again, and requests since then are gone',
    )
  }
}
