import type { HiddenKind } from './options.ts'
import type { Settings } from './read-options.ts'

/** The kinds of a job's data that are hidden from a requester. */
export type Hidden = ReadonlySet<HiddenKind>

const kinds: readonly HiddenKind[] = ['payloads', 'results', 'logs', 'errors']

/**
 * Applies the option `hide` for one request. If the option is a function, calls the function once for each job and kind of
 * data.
 */
export class Redaction {
  readonly #settings: Settings
  readonly #request: Request
  readonly #known = new Map<string | null, Promise<Hidden>>()

  constructor(settings: Settings, request: Request) {
    this.#settings = settings
    this.#request = request
  }

  of(job: string | null): Promise<Hidden> {
    const known = this.#known.get(job)
    if (known !== undefined) return known
    const hidden = this.#decide(job)
    this.#known.set(job, hidden)
    return hidden
  }

  async #decide(job: string | null): Promise<Hidden> {
    const asked = { job, request: this.#request }
    const answers = await Promise.all(kinds.map((kind) => this.#isHidden(kind, asked)))
    return new Set(kinds.filter((_, index) => answers[index]))
  }

  async #isHidden(kind: HiddenKind, asked: { readonly job: string | null; readonly request: Request }) {
    try {
      // The dashboard shows the data only if the function `hide` returns exactly `false`.
      return (await this.#settings.hide(kind, asked)) !== false
    } catch (error) {
      this.#settings.logger.error(
        { err: error, kind, job: asked.job },
        'the function hide threw: the dashboard hides the data',
      )
      return true
    }
  }
}
