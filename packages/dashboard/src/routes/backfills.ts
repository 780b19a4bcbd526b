import type { BackfillReference, Client, ListedOccurrence } from '@jobistemer/core'
import { liveStates } from '@jobistemer/core/storage'
import { Problem, problemOf } from '../problem.ts'
import type { Act, Call, Read } from '../route.ts'
import { visibleJobOf } from './lists.ts'
import type { BackfillLine, BackfillsView, BackfillView } from '../wire.ts'

/** So many waiting and running occurrences are looked through at most: backfills have few of them each. */
const mostLooked = 10_000
const pageSize = 1000
/** So many backfills are shown at most: how far each one is takes calls of its own. */
const mostShown = 50
/** One that was stopped is looked for among so many of the job's latest canceled runs. */
const mostCanceled = 1000
const stoppedReason = 'backfill_stopped'

/** A run that is one of a backfill. */
type Run = ListedOccurrence & { readonly job: string; readonly backfill: BackfillReference }

function isOfBackfill(run: ListedOccurrence): run is Run {
  return run.backfill !== null && run.job !== null
}

/** One run of each backfill, by job and key. */
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
    if (of !== undefined) found.add(await stoppedOf(call, of))
    const items: BackfillLine[] = []
    let isLong = false
    for (const run of found.runs.values()) {
      if (of !== undefined && run.job !== of) continue
      const isSeen = await call.access.may('view', run.job)
      isLong = isSeen ? items.length === mostShown : call.access.isSpent
      if (isLong) break
      if (!isSeen) continue
      const line = await lineOf(call, run)
      if (line !== null) items.push(line)
    }
    return { items, isPart: isPart || isLong }
  },
}

/** Those that have a run that waits or runs: a backfill always has, until it is over or stopped. */
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

async function stoppedOf({ client, options }: Call, job: string): Promise<readonly ListedOccurrence[]> {
  const filter = { job, states: ['canceled'], order: 'descending', tasks: false, limit: mostCanceled } as const
  const { items } = await client.occurrences(filter, options)
  // What was said as the reason comes after it.
  return items.filter(({ reason }) => reason?.startsWith(stoppedReason))
}

/** `null`: it is over. */
async function lineOf({ client, options, access }: Call, run: Run): Promise<BackfillLine | null> {
  const { job, id, requestActor, requestReason } = run
  const { key, from, to, which, order } = run.backfill
  let progress: BackfillView | null = null
  try {
    const asked = { key, from, to, which, order, dryRun: true } as const
    progress = (await client.backfill(job, { ...asked, ...options })) as unknown as BackfillView
  } catch (error) {
    // That of a schedule which this process does not know, or of a job that has none any more, cannot be counted.
    const status = problemOf(error)?.status ?? 500
    if (status >= 500) throw error
  }
  const isStopped = run.state === 'canceled'
  if (isStopped && (progress === null || progress.live > 0 || progress.open === 0)) return null
  return {
    job,
    key,
    state: isStopped ? 'stopped' : 'running',
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
    if (!isOfBackfill(run)) throw new Problem(400, 'INVALID_ARGUMENT', 'run is not one of a backfill.', 'run')
    // What it is to do, the runs that it has know.
    const { key, from, to, which, order } = run.backfill
    return client.backfill(run.job, { key, from, to, which, order, ...voice, ...options })
  },
}

/** What is read of backfills, and how one goes on. How one begins and is stopped, is among the actions. */
export const ofBackfills: readonly (Read | Act)[] = [backfills, goOn]
