import type { JobsFilter, ListedOccurrence, Listing, NodeInfo } from '@jobistemer/core'
import { type FinalState, failedStates, finalStates, liveStates } from '@jobistemer/core/storage'
import type { Input } from '../input.ts'
import { jobLineOf, listedJobOf, runLineOf } from '../lines.ts'
import type { Call, Read } from '../route.ts'
import type { Bar, JobLine, Overview, Page, RunLine, Wire } from '../wire.ts'

const shortList = 8
const longestSparkline = 24
/** So many calls of one request are under way at a time. */
const atOnce = 8

/** The members of a filter of jobs. */
export const jobFilterNames = ['text', 'owner', 'tag', 'paused', 'outcome'] as const

/** Which jobs are meant, from a query or from a body. */
export function jobsFilterOf(input: Input): JobsFilter {
  const paused = input.flag('paused')
  const outcome = input.text('outcome')
  const outcomes: readonly FinalState[] | undefined =
    outcome === 'bad' ? failedStates : input.choices('outcome', finalStates)
  return {
    ...input.pick(['text', 'owner', 'tag']),
    ...(paused !== undefined && { paused }),
    ...(outcomes !== undefined && { lastOutcome: outcomes }),
  }
}

/** Runs that may be seen, as lines. */
async function linesOf(call: Call, listing: Listing<ListedOccurrence>): Promise<Page<RunLine>> {
  const { items, cursor } = await listing
  const lines: RunLine[] = []
  for (const run of items) {
    if (await call.access.may('view', run.job)) lines.push(runLineOf(run, await call.redaction.of(run.job)))
  }
  return { items: lines, cursor }
}

function pageOf(input: Input): { readonly limit: number; readonly cursor: string | null } {
  return { limit: input.count('limit', { most: 200, otherwise: 50 }), cursor: input.text('cursor') ?? null }
}

const overview: Read = {
  method: 'GET',
  path: '/api/overview',
  action: 'open',
  about: 'all',
  takes: [],
  async answer(call): Promise<Overview> {
    const { client, options } = call
    const [counts, failures, running, waiting, nodes] = await Promise.all([
      client.counts(undefined, options),
      linesOf(call, client.failures({ limit: shortList }, options)),
      linesOf(call, client.live({ state: 'running', tasks: false, limit: shortList }, options)),
      linesOf(call, client.live({ state: 'pending', tasks: false, limit: shortList }, options)),
      client.nodes(options),
    ])
    return {
      counts,
      failures: failures.items,
      running: running.items,
      waiting: waiting.items,
      nodes: nodes as unknown as readonly Wire<NodeInfo>[],
    }
  },
}

const survey: Read = {
  method: 'GET',
  path: '/api/survey',
  action: 'open',
  about: 'all',
  takes: [],
  answer: ({ surveys, access }) => surveys.view((job) => access.may('view', job)),
}

const late: Read = {
  method: 'GET',
  path: '/api/late',
  action: 'open',
  about: 'all',
  takes: ['cursor'],
  answer: ({ surveys, access, input }) => surveys.late(input.text('cursor'), (job) => access.may('view', job)),
}

const jobs: Read = {
  method: 'GET',
  path: '/api/jobs',
  action: 'open',
  about: 'all',
  takes: [...jobFilterNames, 'limit', 'cursor'],
  async answer(call): Promise<Page<JobLine>> {
    const { client, access, options } = call
    const { items, cursor } = await jobsOf(call, ['lastRun', 'counts'])
    const lines: JobLine[] = []
    for (const job of items) if (await access.may('view', job.name)) lines.push(job)
    const counted: JobLine[] = []
    for (let start = 0; start < lines.length; start += atOnce) {
      const some = lines.slice(start, start + atOnce).map(async (job) => {
        return { ...job, counts: job.counts ?? (await client.counts(job.name, options)) }
      })
      counted.push(...(await Promise.all(some)))
    }
    return { items: counted, cursor }
  },
}

/** A page of jobs. How they ended last is known of a look at all of them. */
async function jobsOf(
  { client, input, options, surveys, now }: Call,
  include: NonNullable<JobsFilter['include']>,
): Promise<Page<JobLine>> {
  const [filter, page] = [jobsFilterOf(input), pageOf(input)]
  const kept = filter.lastOutcome === undefined ? null : await surveys.jobs(filter, page)
  if (kept !== null) return kept
  const { items, cursor } = await client.jobs({ ...filter, ...page, include }, options)
  return { items: items.map((job) => jobLineOf(listedJobOf(job, now))), cursor }
}

const sparklines: Read = {
  method: 'GET',
  path: '/api/sparklines',
  action: 'open',
  about: 'all',
  takes: [...jobFilterNames, 'limit', 'cursor'],
  async answer(call): Promise<Readonly<Record<string, readonly Bar[]>>> {
    const { client, access, options } = call
    const { items } = await jobsOf(call, [])
    const found: Record<string, readonly Bar[]> = Object.create(null)
    for (const { name } of items) {
      if (!(await access.may('view', name))) continue
      const filter = { job: name, order: 'descending', tasks: false, limit: longestSparkline } as const
      const runs = await client.occurrences(filter, options)
      found[name] = runs.items.map(barOf).reverse()
    }
    return found
  },
}

function barOf({ id, state, startedAt, finishedAt, scheduledAt }: ListedOccurrence): Bar {
  const durationMs = startedAt === null || finishedAt === null ? null : finishedAt.getTime() - startedAt.getTime()
  return { id, state, durationMs, scheduledAt: scheduledAt.toISOString() }
}

const failures: Read = {
  method: 'GET',
  path: '/api/failures',
  action: 'open',
  about: 'all',
  takes: ['of', 'from', 'to', 'limit', 'cursor'],
  async answer(call) {
    const { client, input, options } = call
    const of = input.text('of')
    const filter = { ...input.pick(['from', 'to']), ...pageOf(input), ...(of !== undefined && { job: of }) }
    return linesOf(call, client.failures(filter, options))
  },
}

const live: Read = {
  method: 'GET',
  path: '/api/live',
  action: 'open',
  about: 'all',
  takes: ['state', 'node', 'limit', 'cursor'],
  async answer(call) {
    const { client, input, options } = call
    const state = input.choice('state', liveStates) ?? 'running'
    return linesOf(call, client.live({ ...input.pick(['node']), ...pageOf(input), state, tasks: false }, options))
  },
}

const counts: Read = {
  method: 'GET',
  path: '/api/counts',
  action: 'open',
  about: 'all',
  takes: [],
  answer: ({ client, options }) => client.counts(undefined, options),
}

const nodes: Read = {
  method: 'GET',
  path: '/api/nodes',
  action: 'open',
  about: 'all',
  takes: [],
  answer: ({ client, options }) => client.nodes(options),
}

/** What is read of all jobs. */
export const lists: readonly Read[] = [overview, survey, late, jobs, sparklines, failures, live, counts, nodes]
