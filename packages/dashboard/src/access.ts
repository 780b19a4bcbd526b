import type { Buffer } from 'node:buffer'
import { createHash, timingSafeEqual } from 'node:crypto'
import type { DashboardAction } from './options.ts'
import { Problem } from './problem.ts'
import type { Settings } from './read-options.ts'

type Answer = { readonly isAllowed: boolean; readonly actor: string | null }

const no: Answer = { isAllowed: false, actor: null }

/** What one request may do. Each question is put to the user's rule once. */
export class Access {
  readonly #settings: Settings
  readonly #request: Request
  readonly #answers = new Map<string, Promise<Answer>>()

  constructor(settings: Settings, request: Request) {
    this.#settings = settings
    this.#request = request
  }

  async may(action: DashboardAction, job: string | null): Promise<boolean> {
    if (this.#settings.readOnly && action !== 'open' && action !== 'view') return false
    return (await this.#ask(action, job)).isAllowed
  }

  /** That somebody may be let in at all, before anything is looked up. @throws Problem 401 or 403 */
  demandEntry(): void {
    const { authorize, token, basePath } = this.#settings
    if (authorize === undefined && token === undefined) {
      throw new Problem(403, 'CLOSED', 'This dashboard is closed: it was made without authorize and without a token.')
    }
    if (token !== undefined && !isKnown(this.#request, token, basePath)) {
      throw new Problem(401, 'SIGN_IN', 'Open the link with the token, or send it as Authorization: Bearer.')
    }
  }

  /** Who does it. @throws Problem 401 or 403 */
  async demand(action: DashboardAction, job: string | null): Promise<string | null> {
    this.demandEntry()
    const { readOnly } = this.#settings
    const { isAllowed, actor } = await this.#ask(action, job)
    if (!isAllowed) {
      const what = job === null ? '' : ` of ${JSON.stringify(job)}`
      throw new Problem(403, 'FORBIDDEN', `You have no right to ${action}${what}.`)
    }
    if (readOnly && action !== 'open' && action !== 'view') {
      throw new Problem(403, 'READ_ONLY', 'This dashboard only shows: it was made with readOnly.')
    }
    return actor
  }

  #ask(action: DashboardAction, job: string | null): Promise<Answer> {
    const key = JSON.stringify([action, job])
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const answer = this.#decide(action, job)
    this.#answers.set(key, answer)
    return answer
  }

  async #decide(action: DashboardAction, job: string | null): Promise<Answer> {
    const { authorize, token, basePath, logger } = this.#settings
    if (token !== undefined && !isKnown(this.#request, token, basePath)) return no
    if (authorize === undefined) return { isAllowed: token !== undefined, actor: null }
    try {
      const verdict = await authorize(this.#request, { action, job })
      if (
        typeof verdict === 'object' &&
        verdict !== null &&
        typeof verdict.actor === 'string' &&
        verdict.actor !== ''
      ) {
        return { isAllowed: true, actor: verdict.actor.slice(0, 255) }
      }
      return { isAllowed: verdict === true, actor: null }
    } catch (error) {
      logger.error({ error, action, job }, 'authorize threw: the request is refused')
      return no
    }
  }
}

/** Whether a request brings the token: as a cookie, or as a bearer. */
function isKnown(request: Request, token: string, basePath: string): boolean {
  const bearer = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (bearer !== undefined) return isSame(bearer, token)
  const name = cookieName(basePath, token)
  return cookiesOf(request).some(
    (one) => one.startsWith(`${name}=`) && isSame(one.slice(name.length + 1), cookieValue(token)),
  )
}

/**
 * Answers a link that brings the token: it leaves a cookie, and goes on without the token, which is not to stay in the
 * history or in a `Referer`. `null`: there is none, or a wrong one.
 */
export function signIn(request: Request, url: URL, { token, basePath }: Settings): Response | null {
  const given = url.searchParams.get('token')
  if (token === undefined || given === null || !isSame(given, token)) return null
  const target = new URL(url)
  target.searchParams.delete('token')
  const secure = url.protocol === 'https:' ? '; Secure' : ''
  const path = basePath === '' ? '/' : basePath
  const headers = new Headers({ location: `${target.pathname}${target.search}` })
  const attributes = `Path=${path}; HttpOnly; SameSite=Lax${secure}`
  const name = cookieName(basePath, token)
  headers.append('set-cookie', `${name}=${cookieValue(token)}; ${attributes}`)
  for (const other of namesLikeIt(request, name).slice(0, -mostCookies)) {
    headers.append('set-cookie', `${other}=; Max-Age=0; ${attributes}`)
  }
  return new Response(null, { status: 303, headers })
}

/** Of dashboards of one host and path, so many others stay signed in. */
const mostCookies = 10

/** Names of cookies that other dashboards of the host have left at this path: \`jobistemer ui\` leaves one at each start. */
function namesLikeIt(request: Request, name: string): readonly string[] {
  const cookies = cookiesOf(request).map((one) => one.replace(/=.*/s, ''))
  return cookies.filter(
    (one) => one !== name && one.length === name.length && one.startsWith(name.slice(0, -hashLength)),
  )
}

function cookiesOf(request: Request): readonly string[] {
  return (request.headers.get('cookie') ?? '').split(';').map((one) => one.trim())
}

/** Of the text that tells tokens apart. */
const hashLength = 8

/** Cookies of one host are seen by all of its ports, so several dashboards need names of their own, also at one path. */
function cookieName(basePath: string, token: string): string {
  const ofToken = createHash('sha256').update(`jobistemer cookie name ${token}`).digest('hex').slice(0, hashLength)
  return `jobistemer${basePath.replaceAll(/[^\w-]/g, '-')}-${ofToken}`
}

/** The cookie does not hold the token itself. */
function cookieValue(token: string): string {
  return createHash('sha256').update(`jobistemer cookie ${token}`).digest('base64url')
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer]
  return timingSafeEqual(first, second)
}
