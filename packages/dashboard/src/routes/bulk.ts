import type { CancelResult, JobInfo, ListedOccurrence, TriggerResult } from '@jobistemer/core'
import { liveStates } from '@jobistemer/core/storage'
import type { Input } from '../input.ts'
import type { DashboardAction } from '../options.ts'
import { PartStopped, Problem, problemOf } from '../problem.ts'
import type { Act, Call } from '../route.ts'
import { seenPage } from '../seen-page.ts'
import { skippedText } from '../skipped.ts'
import { tellAudit } from '../tell-audit.ts'
import type { BulkAnswer, BulkItem, BulkPlan } from '../wire.ts'
import { jobFilterNames, jobsFilterOf, visibleJobOf } from './lists.ts'

/** Number of items of a bulk action in one HTTP request. Between two requests, the user may stop the bulk action. */
const perPart = 100
const atOnce = 8
const mostCounted = 10_000
const mostNamed = 20
/** Maximum number of matching runs that the dialog of a bulk action lists, so that a user can exclude single runs. */
const mostChosen = 100

interface Target<T> {
  readonly action: DashboardAction
  list(
    call: Call,
    page: { readonly limit: number; readonly cursor: string | null },
  ): Promise<{
    readonly items: readonly T[]
    readonly cursor: string | null
  }>
  jobOf(item: T): string | null
  runOf(item: T): string | null
  itemOf(item: T): BulkItem
  /** Maximum number of items that the answer of a dry run lists by name. */
  readonly mostNamed: number
  /** Performs the action on one item. Returns the reason if the action had no effect, else `null`. */
  act(call: Call, item: T, actor: { readonly actor?: string }): Promise<string | null>
}

function problemOfStart({ skipped }: TriggerResult): string | null {
  return skipped === null ? null : skippedText
}

function problemOfCancel({ outcome, state }: CancelResult): string | null {
  return outcome === 'final' ? `The run had already ended as ${state}.` : null
}

const jobActions = ['pause', 'resume', 'trigger'] as const

function jobTarget(action: (typeof jobActions)[number], filter: Input): Target<JobInfo> {
  const { paused, ...others } = jobsFilterOf(filter)
  // A bulk pause selects only jobs that are not paused, and a bulk resume only paused jobs.
  const wanted = action === 'pause' ? false : action === 'resume' ? true : paused
  return {
    action,
    list: async (call, page) => {
      if (paused !== undefined && wanted !== paused) return { items: [], cursor: null }
      return call.client.jobs({ ...others, ...(wanted !== undefined && { paused: wanted }), ...page }, call.options)
    },
    jobOf: ({ name }) => name,
    runOf: () => null,
    itemOf: ({ name }) => ({ what: name, run: null, at: null, endedAt: null }),
    mostNamed,
    act: async ({ client, options, input, voice }, { name }, actor) => {
      const how = { ...voice, ...actor }
      // A bulk trigger sets a request key. If the page repeats a request because the answer was lost, the key prevents a
      // second run of each job.
      if (action === 'trigger')
        return problemOfStart(await client.trigger(name, { key: input.needed('key'), ...how, ...options }))
      if (action === 'resume') await client.resume(name, { ...how, ...options })
      else await client.pause(name, { ...input.pick(['for']), ...how, ...options })
      return null
    },
  }
}

const ofRuns = {
  jobOf: ({ job }: ListedOccurrence) => job,
  runOf: ({ id }: ListedOccurrence) => id,
  itemOf: ({ id, job, slot, scheduledAt, finishedAt }: ListedOccurrence): BulkItem => ({
    what: job ?? id,
    run: id,
    at: (slot ?? scheduledAt).toISOString(),
    endedAt: finishedAt?.toISOString() ?? null,
  }),
  mostNamed: mostChosen,
}

const runActions = ['cancel', 'replay'] as const

async function runTarget(call: Call, action: (typeof runActions)[number]): Promise<Target<ListedOccurrence>> {
  const filter = call.input.object('filter')
  if (action === 'cancel') {
    filter.allow(['state', 'node'])
    const state = filter.choice('state', liveStates) ?? 'pending'
    const where = { ...filter.pick(['node']), state, tasks: false }
    return {
      action,
      list: async ({ client, options }, page) => client.live({ ...where, ...page }, options),
      ...ofRuns,
      act: async ({ client, options, voice }, { id }, actor) =>
        problemOfCancel(await client.cancel(id, { ...voice, ...actor, ...options })),
    }
  }
  filter.allow(['of', 'from', 'to'])
  const of = await visibleJobOf(call, filter.text('of'))
  const where = { ...filter.pick(['from', 'to']), ...(of !== undefined && { job: of }), tasks: false }
  return {
    action,
    list: async ({ client, options }, page) => client.failures({ ...where, ...page }, options),
    ...ofRuns,
    act: async ({ client, options, input, voice }, { id }, actor) => {
      const key = `${input.needed('key')} ${id}`
      return problemOfStart(await client.replay(id, { key, ...voice, ...actor, ...options }))
    },
  }
}

const takes = ['action', 'filter', 'except', 'dryRun', 'cursor', 'key', 'for'] as const

const bulkJobs: Act = {
  method: 'POST',
  path: '/api/bulk-jobs',
  action: 'open',
  about: 'all',
  takes,
  isBulk: true,
  async answer(call) {
    const action = call.input.choice('action', jobActions)
    if (action === undefined) throw new Problem(400, 'INVALID_ARGUMENT', 'action is missing.', 'action')
    const filter = call.input.object('filter')
    filter.allow(jobFilterNames)
    return perform(call, jobTarget(action, filter))
  },
}

const bulkRuns: Act = {
  method: 'POST',
  path: '/api/bulk-runs',
  action: 'open',
  about: 'all',
  takes,
  isBulk: true,
  async answer(call) {
    const action = call.input.choice('action', runActions)
    if (action === undefined) throw new Problem(400, 'INVALID_ARGUMENT', 'action is missing.', 'action')
    return perform(call, await runTarget(call, action))
  },
}

async function perform<T>(call: Call, target: Target<T>): Promise<BulkAnswer | BulkPlan> {
  if (call.input.flag('dryRun') === true) return planOf(call, target)
  if (target.action === 'trigger' || target.action === 'replay') call.input.needed('key')
  return part(call, target)
}

async function planOf<T>(call: Call, target: Target<T>): Promise<BulkPlan> {
  const { items, cursor } = await target.list(call, { limit: mostCounted, cursor: null })
  const first: BulkItem[] = []
  let count = 0
  for (const item of items) {
    if (!(await call.access.may(target.action, target.jobOf(item)))) {
      if (call.access.isSpent) break
      continue
    }
    count++
    if (first.length < target.mostNamed) first.push(target.itemOf(item))
  }
  return { count, first, isPart: cursor !== null || call.access.isSpent }
}

async function part<T>(call: Call, target: Target<T>): Promise<BulkAnswer> {
  const { items, cursor } = await seenPage(
    call.access,
    { limit: perPart, cursor: call.input.text('cursor') ?? null },
    (page) => target.list(call, page),
    target.jobOf,
    target.action,
  )
  const keyOf = (item: T): string => target.runOf(item) ?? target.jobOf(item) ?? ''
  const except = new Set(call.input.texts('except'))
  const waiting = items.filter((item) => !except.has(keyOf(item)))
  const failed: { what: string; message: string }[] = []
  const handled: string[] = []
  let done = 0
  const work = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      const [job, run] = [target.jobOf(item), target.runOf(item)]
      const actor = (await call.access.demand(target.action, job)) ?? call.voice.actor ?? null
      const entry = { action: target.action, job, run, actor, reason: call.voice.reason ?? null }
      try {
        const message = await target.act(call, item, actor === null ? {} : { actor })
        if (message === null) done++
        else failed.push({ what: job ?? String(run), message })
        handled.push(keyOf(item))
        await tellAudit(call.settings, { ...entry, error: null })
      } catch (error) {
        const problem = problemOf(error)
        await tellAudit(call.settings, { ...entry, error: problem?.code ?? 'INTERNAL' })
        // Stops the bulk action immediately if the storage is unavailable, because every further item would fail too.
        if (problem === null || problem.status === 503) {
          waiting.length = 0
          throw error
        }
        failed.push({ what: job ?? String(run), message: problem.message })
        handled.push(keyOf(item))
      }
    }
  }
  // Answers only when no worker still acts.
  const workers = await Promise.allSettled(Array.from({ length: atOnce }, work))
  if (items.length > 0) call.surveys.forget()
  const stopped = workers.find((worker) => worker.status === 'rejected')
  if (stopped !== undefined) throw new PartStopped(stopped.reason, { done, failed, handled })
  return { done, failed, cursor }
}

/** Routes of actions on all items that match a filter. */
export const bulk: readonly Act[] = [bulkJobs, bulkRuns]
