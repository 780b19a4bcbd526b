import { JobistemerError, type OccurrenceId, stateMeanings } from '@jobistemer/core'
import { Access, readOnlyProblem } from './access.ts'
import { Assets } from './assets.ts'
import { changeStream } from './change-stream.ts'
import { checkRequest } from './check-arguments.ts'
import { Cursors } from './cursors.ts'
import { pageDocument, pagePaths, problemDocument } from './documents.ts'
import { goneOf } from './incoming.ts'
import { Input } from './input.ts'
import { jsonAnswer, problemAnswer } from './json-answer.ts'
import type { AuditEntry, DashboardAction, DashboardOptions } from './options.ts'
import { refuseForms, refuseOtherOrigins } from './origin.ts'
import { isStorageFailure, PartStopped, Problem, problemOf, wrongMethod } from './problem.ts'
import { readOptions, type Settings } from './read-options.ts'
import { Redaction } from './redaction.ts'
import { readBody } from './request-body.ts'
import type { Call, Route } from './route.ts'
import { routes } from './routes.ts'
import { secured } from './security-headers.ts'
import { signInByForm, signInByLink } from './sign-in.ts'
import { Surveys } from './survey.ts'
import { tellAudit } from './tell-audit.ts'
import type { Session } from './wire.ts'

/** Answers requests for pages, files, data and actions of the dashboard. Never rejects. */
export type Dashboard = (request: Request) => Promise<Response>

/**
 * Creates the dashboard: a function that answers a web `Request` with a `Response`, for all paths below `basePath`.
 *
 * @example
 * const dashboard = createDashboard({
 *   client: createClient({ storage }),
 *   basePath: '/admin/jobs',
 *   authorize: async (request, { action, job }) => (await userOf(request))?.isOperator === true,
 * })
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  const settings = readOptions(options)
  const server = new DashboardServer(settings, new Assets())
  return (request) => server.answer(request)
}

const longestQuery = 8192
/**
 * Timeout in ms of the call that checks, after a failed call, whether the storage answers at all. The timeout is short,
 * because the user has already waited for the failed call.
 */
const longestAwayMs = 1000

const actions: readonly DashboardAction[] = ['trigger', 'replay', 'cancel', 'pause', 'resume']

/**
 * What the dashboard has learned about an action so far, while it checks the user's rights. If the dashboard refuses the
 * action, it reports these members to `audit`.
 */
type Attempt = { -readonly [Name in 'job' | 'run' | 'actor' | 'reason']: AuditEntry[Name] } & {
  /**
   * The action that the dashboard reports to `audit` if it refuses the request. `null` if the request is not an action. Also
   * `null` after all checks of rights have passed: from then on, the route itself reports the action.
   */
  action: DashboardAction | null
}

/**
 * Returns whether a problem is a refusal. For a run that the viewer may not see, the dashboard answers with the error for a
 * missing run. So this error counts as a refusal, too.
 */
function isRefusal({ status, code }: Problem): boolean {
  return status === 401 || status === 403 || code === 'OCCURRENCE_NOT_FOUND'
}

class DashboardServer {
  readonly #settings: Settings
  readonly #assets: Assets
  readonly #surveys: Surveys
  readonly #cursors: Cursors
  readonly #routes: ReadonlyMap<string, readonly Route[]>

  constructor(settings: Settings, assets: Assets) {
    this.#settings = settings
    this.#assets = assets
    this.#surveys = new Surveys(settings)
    this.#cursors = new Cursors(settings)
    this.#routes = grouped(routes)
  }

  async answer(request: Request): Promise<Response> {
    const { basePath, logger } = this.#settings
    const address = checkRequest(request).url
    // The address contains the header `Host`, and the sender may write anything there.
    if (!URL.canParse(address)) return secured(bodiless(request, await problemAnswer(request, wrongAddress())))
    const url = new URL(address)
    if (url.pathname !== basePath && !url.pathname.startsWith(`${basePath}/`)) return secured(notFound())
    const path = url.pathname.slice(basePath.length) || '/'
    const isDocument = pagePaths.includes(path)
    const attempt: Attempt = { action: null, job: null, run: null, actor: null, reason: null }
    try {
      return secured(await this.#answer(request, url, path, attempt))
    } catch (thrown) {
      const part = thrown instanceof PartStopped ? thrown.part : undefined
      const error = thrown instanceof PartStopped ? thrown.cause : thrown
      const problem = problemOf(error) ?? (await this.#fault(error, request, path))
      if (isStorageFailure(error))
        logger.error(
          { err: error, method: request.method, path },
          'the dashboard cannot answer a request: the storage failed',
        )
      const { action } = attempt
      if (action !== null && isRefusal(problem)) {
        await tellAudit(this.#settings, { ...attempt, action, error: problem.code })
      }
      const answer = isDocument
        ? problemDocument(problem, this.#settings, this.#assets)
        : await problemAnswer(request, problem, part)
      for (const [name, value] of Object.entries(problem.headers)) answer.headers.set(name, value)
      return secured(bodiless(request, answer))
    }
  }

  async #answer(request: Request, url: URL, path: string, attempt: Attempt): Promise<Response> {
    const { method } = request
    const isRead = method === 'GET' || method === 'HEAD'
    const isDocument = pagePaths.includes(path)
    const candidates = this.#routes.get(path)
    const route = candidates?.find((one) => one.method === method || (isRead && one.method === 'GET'))
    if (route?.method === 'POST') attempt.action = route.action
    refuseOtherOrigins(request, url, { origins: this.#settings.origins, isDocument })
    const access = new Access(this.#settings, request)
    if (isDocument) {
      if (method === 'POST') return signInByForm(request, url, this.#settings)
      if (!isRead) throw wrongMethod(this.#settings.token === undefined ? 'GET, HEAD' : 'GET, HEAD, POST')
      const signedIn = signInByLink(request, url, this.#settings)
      if (signedIn !== null) return signedIn
      await access.demand('open', null)
      return bodiless(request, pageDocument(this.#settings, this.#assets))
    }
    if (path.startsWith('/assets/')) {
      const file = this.#assets.serve(path.slice('/assets/'.length), request)
      if (file === null) throw unknownPath()
      if (!isRead) throw wrongMethod('GET, HEAD')
      return bodiless(request, file)
    }
    if (path === '/api/session' || path === '/api/changes') {
      if (!isRead) throw wrongMethod('GET, HEAD')
      await access.demand('open', null)
      if (path === '/api/session') return bodiless(request, await jsonAnswer(request, this.#session()))
      if (method === 'HEAD') return new Response(null)
      return changeStream(this.#settings.client, this.#settings.clock, goneOf(request))
    }
    if (candidates === undefined) throw unknownPath()
    if (route === undefined)
      throw wrongMethod(candidates.map((one) => (one.method === 'GET' ? 'GET, HEAD' : 'POST')).join(', '))
    const call = await this.#prepare(request, url, route, access, attempt)
    const answer = this.#sealed(await this.#perform(route, call, attempt))
    return bodiless(request, answer instanceof Response ? answer : await jsonAnswer(request, answer))
  }

  /**
   * Checks the rights of a request. Before `open` is granted, the dashboard reads nothing from the storage.
   * @throws Problem
   */
  async #prepare(request: Request, url: URL, route: Route, access: Access, attempt: Attempt): Promise<Call> {
    const { client, clock } = this.#settings
    if (url.search.length > longestQuery) throw new Problem(414, 'QUERY_TOO_LONG', 'The query is too long.')
    attempt.actor = await access.demand('open', null)
    if (route.method === 'POST') refuseForms(request)
    const sent = route.method === 'GET' ? Input.ofQuery(url.searchParams) : new Input(await readBody(request))
    const input = route.takes.includes('cursor') ? sent.with('cursor', this.#opened(sent.text('cursor'))) : sent
    const options = { signal: request.signal }
    const about = route.about === 'all' ? [] : [route.about]
    const reason = route.method === 'POST' ? input.text('reason') : undefined
    attempt.reason = reason ?? null
    let run: Call['run'] | null = null
    if (route.method === 'POST' && route.isBulk === true) {
      const wanted = input.text('action')
      attempt.action = actions.find((one) => one === wanted) ?? attempt.action
      if (this.#settings.readOnly) throw readOnlyProblem()
    }
    if (route.about === 'job') attempt.job = input.needed('job')
    if (route.about === 'run') {
      attempt.run = input.needed('run')
      run = await this.#findRun(attempt.run, access, options, attempt)
    }
    const { job } = attempt
    const actor = (await access.demand(route.action, job)) ?? attempt.actor
    attempt.actor = actor
    input.allow([...about, ...route.takes, ...(route.method === 'POST' ? ['reason'] : [])])
    return {
      client,
      request,
      input,
      access,
      redaction: new Redaction(this.#settings, request),
      settings: this.#settings,
      surveys: this.#surveys,
      options,
      now: clock.now(),
      job: job ?? '',
      run: run as Call['run'],
      voice: { ...(actor !== null && { actor }), ...(reason !== undefined && { reason }) },
    }
  }

  async #perform(route: Route, call: Call, attempt: Attempt): Promise<unknown> {
    if (route.method === 'GET' || route.isBulk === true) return route.answer(call)
    // All rights are granted, so a later error is no refusal.
    attempt.action = null
    if (route.isDry?.(call.input) === true) return route.answer(call)
    const entry = { ...attempt, action: route.action, run: call.run?.id ?? null }
    try {
      const answer = await route.answer(call)
      await tellAudit(this.#settings, { ...entry, error: null })
      return answer
    } catch (error) {
      await tellAudit(this.#settings, { ...entry, error: problemOf(error)?.code ?? 'INTERNAL' })
      throw error
    } finally {
      this.#surveys.forget()
    }
  }

  #opened(cursor: string | undefined): string | undefined {
    return cursor === undefined || cursor === '' ? undefined : this.#cursors.open(cursor)
  }

  /** Encrypts the cursor of an answer, if the answer has one. */
  #sealed(answer: unknown): unknown {
    if (typeof answer !== 'object' || answer === null || !('cursor' in answer)) return answer
    const { cursor } = answer
    return typeof cursor === 'string' && cursor !== '' ? { ...answer, cursor: this.#cursors.seal(cursor) } : answer
  }

  /**
   * Reads the run of a request. Throws the same error for a missing run and for a run that the viewer may not see. So the
   * viewer cannot find out which runs exist.
   * @throws Problem 404
   */
  async #findRun(id: string, access: Access, options: Call['options'], attempt: Attempt): Promise<Call['run']> {
    let run: Call['run'] | null = null
    try {
      run = await this.#settings.client.occurrence(id as OccurrenceId, options)
    } catch (error) {
      if (!JobistemerError.isInstance(error) || error.code !== 'OCCURRENCE_NOT_FOUND') throw error
    }
    attempt.job = run?.job ?? null
    const isSeen = await access.may('view', attempt.job)
    if (run !== null && isSeen) return run
    throw new Problem(404, 'OCCURRENCE_NOT_FOUND', 'There is no such run.', 'run')
  }

  #session(): Session {
    const { readOnly, clock } = this.#settings
    return { readOnly, now: new Date(clock.now()).toISOString(), states: stateMeanings }
  }

  /**
   * Returns the problem for an error of the client. Each driver throws a different error if the storage is unavailable, so the
   * error does not show this. So this method calls the storage again to find out whether it answers.
   */
  async #fault(error: unknown, request: Request, path: string): Promise<Problem> {
    const { client, logger } = this.#settings
    const where = { err: error, method: request.method, path }
    try {
      await client.counts(undefined, { timeout: longestAwayMs })
    } catch {
      logger.error(where, 'the dashboard cannot answer a request: the storage does not answer')
      return new Problem(503, 'STORAGE_AWAY', 'The storage does not answer. The log of this dashboard has the reason.')
    }
    logger.error(where, 'the dashboard failed to answer a request')
    return new Problem(500, 'INTERNAL', 'The dashboard failed. Its log has the reason.')
  }
}

function grouped(all: readonly Route[]): Map<string, Route[]> {
  const map = new Map<string, Route[]>()
  for (const route of all) map.set(route.path, [...(map.get(route.path) ?? []), route])
  return map
}

function bodiless(request: Request, response: Response): Response {
  if (request.method !== 'HEAD') return response
  void response.body?.cancel()
  return new Response(null, { status: response.status, headers: response.headers })
}

function wrongAddress(): Problem {
  return new Problem(400, 'INVALID_ADDRESS', 'The header Host has no valid name of a host.')
}

function unknownPath(): Problem {
  return new Problem(404, 'NOT_FOUND', 'This path does not exist.')
}

function notFound(): Response {
  return new Response('Not found\n', { status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
