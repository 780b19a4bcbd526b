import type { BackfillReference, Client, ListedOccurrence } from '@jobistemer/core'
import { failedStates, isFinal, liveStates } from '@jobistemer/core/storage'
import { Problem, problemOf } from '../problem.ts'
import type { Act, Call, Read } from '../route.ts'
import { visibleJobOf } from './lists.ts'
import type { BackfillLine, BackfillsView, BackfillView } from '../wire.ts'

/** Maximum number of live runs that a single HTTP request reads to find running backfills. */
const mostLooked = 10_000
const pageSize = 1000
/** Maximum number of backfills in an answer. The progress of each backfill takes separate client calls. */
const mostShown = 50
/**
 * Number of a job's latest ended runs that a single HTTP request reads to find stopped and ended backfills. One client call
 * reads all these runs.
 */
const mostEnded = 2000
/** Maximum number of cached results of ended backfills. A full cache is emptied. */
const mostKept = 500

/** A run of a backfill. */
type Run = ListedOccurrence & { readonly job: string; readonly backfill: BackfillReference }

function isOfBackfill(run: ListedOccurrence): run is Run {
  return run.backfill !== null && run.job !== null
}

/**
 * The backfills that a search has found. A job and a backfill key identify a backfill. For each backfill, `runs` has the first
 * of its runs that the search found.
 */
class Found {
  readonly runs = new Map<string, Run>()

  add(items: readonly ListedOccurrence[]): void {
    for (const run of items.filter(isOfBackfill)) {
      const key = JSON.stringify([run.job, run.backfill.key])
      if (!this.runs.has(key)) this.runs.set(key, run)
    }
  }
}

const backfills: Read = {
  method: 'GET',
  path: '/api/backfills',
  action: 'open',
  about: 'all',
  takes: ['of'],
  async answer(call): Promise<BackfillsView> {
    const of = await visibleJobOf(call, call.input.text('of'))
    const { found, isPart } = await findLive(call)
    const ended = of === undefined ? null : await endedOf(call, of)
    if (ended !== null) found.add(ended.items)
    const items: BackfillLine[] = []
    let isLong = false
    for (const run of found.runs.values()) {
      if (of !== undefined && run.job !== of) continue
      const isSeen = await call.access.may('view', run.job)
      isLong = isSeen ? items.length === mostShown : call.access.isSpent
      if (isLong) break
      if (!isSeen) continue
      items.push(await lineOf(call, run))
    }
    return { items, isPart: isPart || isLong, readRuns: ended?.cursor == null ? null : mostEnded }
  },
}

/** Finds running backfills by their live runs. A backfill has a live run until it ends or is stopped. */
async function findLive({ client, options }: Call): Promise<{ readonly found: Found; readonly isPart: boolean }> {
  const found = new Found()
  let looked = 0
  for (const state of liveStates) {
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<Client['live']>> = await client.live(
        { state, tasks: false, limit: pageSize, cursor },
        options,
      )
      found.add(page.items)
      looked += page.items.length
      cursor = page.cursor
      if (cursor !== null && looked >= mostLooked) return { found, isPart: true }
    } while (cursor !== null)
  }
  return { found, isPart: false }
}

/**
 * The final states that runs of a backfill can have. The states `skipped` and `missed` are not among them, because slots in
 * these states are not runs of a backfill.
 */
const endedStates = [...failedStates, 'completed', 'canceled'] as const

async function endedOf({ client, options }: Call, job: string) {
  const filter = { job, states: endedStates, order: 'descending', tasks: false, limit: mostEnded } as const
  return await client.occurrences(filter, options)
}

/**
 * Caches the progress of ended backfills, separately for each client. In the inner map, the key is the id of the backfill's
 * last run.
 */
const results = new WeakMap<Client, Map<string, BackfillView>>()

async function progressOf({ client, options }: Call, run: Run): Promise<BackfillView> {
  const kept = results.get(client) ?? new Map<string, BackfillView>()
  results.set(client, kept)
  const known = kept.get(run.id)
  if (known !== undefined) return known
  const { key, from, to, which, order } = run.backfill
  const asked = { key, from, to, which, order, dryRun: true } as const
  const progress = (await client.backfill(run.job, { ...asked, ...options })) as unknown as BackfillView
  if (isFinal(run.state) && progress.live === 0 && progress.open === 0) {
    if (kept.size >= mostKept) kept.clear()
    kept.set(run.id, progress)
  }
  return progress
}

async function lineOf(call: Call, run: Run): Promise<BackfillLine> {
  const { access } = call
  const { job, id, requestActor, requestReason, finishedAt } = run
  const { key, from, to, which, order } = run.backfill
  let progress: BackfillView | null = null
  try {
    progress = await progressOf(call, run)
  } catch (error) {
    // `progress` stays `null` if this process cannot load the schedule type. It also stays `null` if the job no longer has a
    // schedule. The errors of both cases have a status below 500.
    const status = problemOf(error)?.status ?? 500
    if (status >= 500) throw error
  }
  const isRunning = progress === null ? !isFinal(run.state) : progress.live > 0
  return {
    job,
    key,
    state: isRunning ? 'running' : progress !== null && progress.open > 0 ? 'stopped' : 'ended',
    endedAt: isRunning ? null : (finishedAt?.toISOString() ?? null),
    from: from.toISOString(),
    to: to.toISOString(),
    which,
    order,
    actor: requestActor,
    reason: requestReason,
    run: id,
    progress,
    mayAct: await access.may('backfill', job),
  }
}

const goOn: Act = {
  method: 'POST',
  path: '/api/go-on-with-backfill',
  action: 'backfill',
  about: 'run',
  takes: [],
  answer({ client, run, voice, options }) {
    if (!isOfBackfill(run)) throw new Problem(400, 'INVALID_ARGUMENT', 'run does not belong to a backfill.', 'run')
    // Every run of a backfill stores the request of the backfill. So one run is enough to continue the backfill.
    const { key, from, to, which, order } = run.backfill
    return client.backfill(run.job, { key, from, to, which, order, ...voice, ...options })
  },
}

/**
 * Routes that read backfills or continue a stopped backfill. `actions.ts` has the routes that start and stop backfills.
 */
export const ofBackfills: readonly (Read | Act)[] = [backfills, goOn]
