import { mostListed, rememberedValues } from '../../tuning.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { RegisteredJob } from './registered-job.ts'

interface Write {
  readonly jobName: string
  /** For a request: its scheduled time. For lost slots: the watermark after which the storage has lost them. */
  readonly at: number
}

/**
 * Detects that the storage has lost acknowledged writes, for example after a failover to a replica that was behind: an answer
 * has an earlier watermark than a previous answer. The lost slots run again. Requests after that watermark may be lost too.
 */
export class LostWriteDetector {
  readonly #engine: Pick<EngineContext, 'logger'>
  readonly #slots: Write[] = []
  /** The newest requests that the storage acknowledged to this node, at most twice `rememberedValues`. */
  readonly #requests: Write[] = []
  readonly #saying = new AfterTurn(() => this.#say())

  constructor(engine: Pick<EngineContext, 'logger'>) {
    this.#engine = engine
  }

  /**
   * Compares the watermark of an answer with the watermarks of previous answers under the same version. A lower watermark
   * shows a loss of slots.
   */
  compare(job: RegisteredJob, watermark: number): void {
    if (job.decidedUpTo === null || watermark >= job.decidedUpTo) return
    this.#slots.push({ jobName: job.job.name, at: watermark })
    this.#saying.ask()
  }

  /** Remembers an acknowledged request. */
  note(jobName: string, at: number): void {
    if (this.#requests.length >= 2 * rememberedValues) this.#requests.splice(0, rememberedValues)
    this.#requests.push({ jobName, at })
  }

  #say(): void {
    const slots = this.#slots.splice(0)
    const since = Math.min(...slots.map(({ at }) => at))
    const requests = this.#requests.filter(({ at }) => at > since)
    const jobs = [...new Set([...slots, ...requests].map(({ jobName }) => jobName))].slice(0, mostListed)
    this.#engine.logger.error(
      { jobs, count: slots.length, requests: requests.length, since: new Date(since) },
      'the storage has lost acknowledged writes: slots after the stored watermark run again, and later requests may be lost',
    )
  }
}
