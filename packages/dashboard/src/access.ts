import type { Authorize, DashboardAction } from './options.ts'
import { Problem, withoutToken } from './problem.ts'
import type { Settings } from './read-options.ts'
import { firstCharacters } from './shown.ts'
import { hasToken } from './sign-in.ts'

interface Answer {
  readonly isAllowed: boolean
  readonly seesAll: boolean
  readonly actor: string | null
}

const no: Answer = { isAllowed: false, seesAll: false, actor: null }

export function readOnlyProblem(): Problem {
  return new Problem(403, 'READ_ONLY', 'This dashboard is read-only: its option readOnly is set.')
}

/** Maximum length in characters of an actor that core stores. */
const longestActor = 255
/**
 * Maximum number of `authorize` calls about jobs per request. If a request for a list reaches this limit, the answer has
 * fewer items, and its cursor continues the list.
 */
const mostQuestions = 1000

/**
 * The rights of one request. Asks `authorize` at most one question about `open` and 1,000 questions about jobs, and no
 * question twice.
 */
export class Access {
  readonly #settings: Settings
  readonly #request: Request
  readonly #answers = new Map<string, Promise<Answer>>()
  #isSpent = false

  constructor(settings: Settings, request: Request) {
    this.#settings = settings
    this.#request = request
  }

  /**
   * `true` if the request reached its limit of questions. {@link may} then answers every further question with `false`.
   */
  get isSpent(): boolean {
    return this.#isSpent
  }

  /** Returns whether the request may view every job, so that no question about a single job is needed. */
  async seesAll(): Promise<boolean> {
    return (await this.#ask('open', null)).seesAll
  }

  async may(action: DashboardAction, job: string | null): Promise<boolean> {
    if (this.#settings.readOnly && action !== 'open' && action !== 'view') return false
    return (await this.#ask(action, job)).isAllowed
  }

  /**
   * Checks the token without calling `authorize`.
   * @throws Problem 401
   */
  demandEntry(): void {
    const { token, basePath } = this.#settings
    if (token !== undefined && !hasToken(this.#request, token, basePath)) {
      throw withoutToken('SIGN_IN', 'This dashboard needs its token.')
    }
  }

  /**
   * Checks a right and returns the actor; `null`: `authorize` named no actor.
   * @throws Problem 401 or 403
   */
  async demand(action: DashboardAction, job: string | null): Promise<string | null> {
    this.demandEntry()
    const { readOnly } = this.#settings
    const { isAllowed, actor } = await this.#ask(action, job)
    if (!isAllowed) {
      const what = job === null ? '' : ` of ${JSON.stringify(job)}`
      throw new Problem(403, 'FORBIDDEN', `You have no right to ${action}${what}.`)
    }
    if (readOnly && action !== 'open' && action !== 'view') {
      throw readOnlyProblem()
    }
    return actor
  }

  async #ask(action: DashboardAction, job: string | null): Promise<Answer> {
    const { authorize } = this.#settings
    // Without the option `authorize`, a request with a valid token may do everything.
    if (authorize === undefined) return { isAllowed: true, seesAll: true, actor: null }
    if (action === 'view') {
      const open = await this.#ask('open', null)
      if (open.seesAll) return open
    }
    const key = JSON.stringify([action, job])
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    // `#answers` may hold `mostQuestions` answers about jobs, and one answer for `open`.
    if (this.#answers.size === mostQuestions + 1) {
      this.#isSpent = true
      return no
    }
    const answer = this.#decide(authorize, action, job)
    this.#answers.set(key, answer)
    return answer
  }

  async #decide(authorize: Authorize, action: DashboardAction, job: string | null): Promise<Answer> {
    const { logger } = this.#settings
    try {
      const verdict = await authorize(this.#request, { action, job })
      if (
        typeof verdict === 'object' &&
        verdict !== null &&
        typeof verdict.actor === 'string' &&
        verdict.actor !== ''
      ) {
        const seesAll = action === 'open' && verdict.seesAll === true
        return { isAllowed: true, seesAll, actor: firstCharacters(verdict.actor, longestActor) }
      }
      return { isAllowed: verdict === true, seesAll: false, actor: null }
    } catch (error) {
      logger.error({ err: error, action, job }, 'the function authorize threw: the dashboard refuses the request')
      return no
    }
  }
}
