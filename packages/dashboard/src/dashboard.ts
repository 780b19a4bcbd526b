import { JobistemerError, type OccurrenceId, stateMeanings } from '@jobistemer/core'
import { Access, signIn } from './access.ts'
import { Assets } from './assets.ts'
import { changeStream } from './change-stream.ts'
import { checkRequest } from './check-arguments.ts'
import { pageDocument, pagePaths, problemDocument } from './documents.ts'
import { goneOf } from './incoming.ts'
import { Input } from './input.ts'
import { jsonAnswer, problemAnswer } from './json-answer.ts'
import type { DashboardOptions } from './options.ts'
import { refuseForms, refuseOtherOrigins } from './origin.ts'
import { Problem, problemOf } from './problem.ts'
import { readOptions, type Settings } from './read-options.ts'
import { Redaction } from './redaction.ts'
import { readBody } from './request-body.ts'
import type { Call, Route } from './route.ts'
import { routes } from './routes.ts'
import { secured } from './security-headers.ts'
import { Surveys } from './survey.ts'
import { tellAudit } from './tell-audit.ts'
import type { Session } from './wire.ts'

/** Answers requests for pages, files, data and actions of the dashboard. Never rejects. */
export type Dashboard = (request: Request) => Promise<Response>

/**
 * Makes the dashboard: one handler on web standards, for every server that has them; the other entry points of this
 * package fit it to those that have not. Everything below `basePath` belongs to it.
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
/** Whoever asks has waited before. */
const longestAwayMs = 1000

class DashboardServer {
  readonly #settings: Settings
  readonly #assets: Assets
  readonly #surveys: Surveys
  readonly #routes: ReadonlyMap<string, readonly Route[]>

  constructor(settings: Settings, assets: Assets) {
    this.#settings = settings
    this.#assets = assets
    this.#surveys = new Surveys(settings)
    this.#routes = grouped(routes)
  }

  async answer(request: Request): Promise<Response> {
    const url = new URL(checkRequest(request).url)
    const { basePath } = this.#settings
    if (url.pathname !== basePath && !url.pathname.startsWith(`${basePath}/`)) return secured(notFound())
    const path = url.pathname.slice(basePath.length) || '/'
    const isDocument = pagePaths.includes(path)
    try {
      return secured(await this.#answer(request, url, path, isDocument))
    } catch (error) {
      const problem = problemOf(error) ?? (await this.#fault(error, request, path))
      const answer = isDocument ? problemDocument(problem, this.#settings) : await problemAnswer(request, problem)
      return secured(bodiless(request, answer))
    }
  }

  async #answer(request: Request, url: URL, path: string, isDocument: boolean): Promise<Response> {
    refuseOtherOrigins(request, url, { origins: this.#settings.origins, isDocument })
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const access = new Access(this.#settings, request)
    if (isDocument) {
      if (!isRead) throw wrongMethod('GET, HEAD')
      const signedIn = signIn(request, url, this.#settings)
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
      if (request.method === 'HEAD') return new Response(null)
      return changeStream(this.#settings.client, this.#settings.clock, goneOf(request))
    }
    const candidates = this.#routes.get(path)
    if (candidates === undefined) throw unknownPath()
    const route = candidates.find(({ method }) => method === request.method || (isRead && method === 'GET'))
    if (route === undefined) throw wrongMethod(candidates.map(({ method }) => method).join(', '))
    const answer = await this.#run(request, url, route, access).finally(() => {
      if (route.method === 'POST') this.#surveys.forget()
    })
    return bodiless(request, answer instanceof Response ? answer : await jsonAnswer(request, answer))
  }

  /** The right is looked at before the route is called, and before anything is told of what it is about. */
  async #run(request: Request, url: URL, route: Route, access: Access): Promise<unknown> {
    const { client, clock } = this.#settings
    if (url.search.length > longestQuery) throw new Problem(414, 'QUERY_TOO_LONG', 'The query is too long.')
    access.demandEntry()
    if (route.method === 'POST') refuseForms(request)
    const input = route.method === 'GET' ? Input.ofQuery(url.searchParams) : new Input(await readBody(request))
    const options = { signal: request.signal }
    const about = route.about === 'all' ? [] : [route.about]
    let job: string | null = null
    let run: Call['run'] | null = null
    if (route.about === 'job') job = input.needed('job')
    if (route.about === 'run') {
      run = await this.#findRun(input.needed('run'), route.action, access, options)
      job = run.job
    }
    const actor = await access.demand(route.action, job)
    input.allow([...about, ...route.takes, ...(route.method === 'POST' ? ['reason'] : [])])
    const reason = route.method === 'POST' ? input.text('reason') : undefined
    const call: Call = {
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
    if (route.method === 'GET' || route.isBulk === true || route.isDry?.(input) === true) return route.answer(call)
    const entry = { action: route.action, job, run: run?.id ?? null, actor, reason: reason ?? null }
    try {
      const answer = await route.answer(call)
      await tellAudit(this.#settings, { ...entry, error: null })
      return answer
    } catch (error) {
      await tellAudit(this.#settings, { ...entry, error: problemOf(error)?.code ?? 'INTERNAL' })
      throw error
    }
  }

  /** One of a job that may not be seen is answered like one that is not there. @throws Problem 401, 403 or 404 */
  async #findRun(id: string, action: Route['action'], access: Access, options: Call['options']): Promise<Call['run']> {
    try {
      const run = await this.#settings.client.occurrence(id as OccurrenceId, options)
      if (await access.may('view', run.job)) return run
    } catch (error) {
      if (!JobistemerError.isInstance(error) || error.code !== 'OCCURRENCE_NOT_FOUND') {
        await access.demand(action, null)
        throw error
      }
    }
    await access.demand(action, null)
    throw new Problem(404, 'OCCURRENCE_NOT_FOUND', 'There is no such run.', 'run')
  }

  #session(): Session {
    const { readOnly, clock } = this.#settings
    return { readOnly, now: new Date(clock.now()).toISOString(), states: stateMeanings }
  }

  /** What a storage throws that is away, its driver decides. So it is asked whether it is. */
  async #fault(error: unknown, request: Request, path: string): Promise<Problem> {
    const { client, logger } = this.#settings
    const where = { error, method: request.method, path }
    try {
      await client.counts(undefined, { timeout: longestAwayMs })
    } catch {
      logger.error(where, 'the storage does not answer')
      return new Problem(503, 'STORAGE_AWAY', 'The storage does not answer. The log of this dashboard says more.')
    }
    logger.error(where, 'the dashboard has a fault')
    return new Problem(500, 'INTERNAL', 'The dashboard has a fault. Its log says more.')
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

function unknownPath(): Problem {
  return new Problem(404, 'NOT_FOUND', 'There is nothing here.')
}

function notFound(): Response {
  return new Response('Not found\n', { status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}

function wrongMethod(allowed: string): Problem {
  return new Problem(405, 'METHOD_NOT_ALLOWED', `Only ${allowed} is answered here.`)
}
