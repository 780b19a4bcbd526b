import type { JobsFilter, ListedOccurrence, Listing, NodeInfo } from '@jobistemer/core'
import { type FinalState, failedStates, finalStates, liveStates } from '@jobistemer/core/storage'
import type { Input } from '../input.ts'
import { jobLineOf, listedJobOf, runLineOf } from '../lines.ts'
import type { Call, Read } from '../route.ts'
import { type PageAt, seenPage } from '../seen-page.ts'
import type { Bar, JobLine, Overview, Page, RunLine, Wire } from '../wire.ts'

const shortPage: PageAt = { limit: 8, cursor: null }
const longestSparkline = 24
/** Maximum number of storage calls that a single HTTP request of the page makes concurrently. */
const atOnce = 8

/** The names of the members of a job filter. */
export const jobFilterNames = ['text', 'owner', 'tag', 'paused', 'outcome'] as const

/** Reads a job filter from a query or a body. */
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

/**
 * Checks that the viewer may see the job that a request filters by. Routes call this function before they read the storage.
 * Returns the job's name; `undefined` if the request has no such filter.
 * @throws Problem 403 if the viewer may not see the job
 */
export async function visibleJobOf({ access }: Call, job: string | undefined): Promise<string | undefined> {
  if (job !== undefined) await access.demand('view', job)
  return job
}

/** Returns a page of runs, as lines of a list. Leaves out the runs that the viewer may not see. */
async function linesOf(
  { access, redaction }: Call,
  page: PageAt,
  read: (page: PageAt) => Listing<ListedOccurrence>,
): Promise<Page<RunLine>> {
  const { items, cursor } = await seenPage(access, page, read, ({ job }) => job)
  const lines: RunLine[] = []
  for (const run of items) lines.push(runLineOf(run, await redaction.of(run.job)))
  return { items: lines, cursor }
}

function pageOf(input: Input): PageAt {
  return { limit: input.count('limit', { most: 200, otherwise: 50 }), cursor: input.text('cursor') ?? null }
}

const overview: Read = {
  method: 'GET',
  path: '/api/overview',
  action: 'open',
  about: 'all',
  takes: [],
  async answer(call): Promise<Overview> {
    const { access, client, options, surveys } = call
    const [failures, running, waiting, nodes] = await Promise.all([
      linesOf(call, shortPage, (page) => client.failures(page, options)),
      linesOf(call, shortPage, (page) => client.live({ ...page, state: 'running', tasks: false }, options)),
      linesOf(call, shortPage, (page) => client.live({ ...page, state: 'pending', tasks: false }, options)),
      client.nodes(options),
    ])
    return {
      // Both the lists and the counts call `authorize`, and one request may call it for a limited number of jobs. Complete
      // lists are more important than complete counts. So the counts come last, and may omit jobs.
      counts: await surveys.counts(access, options),
      failures: failures.items,
      running: running.items,
      waiting: waiting.items,
      isPart: {
        failures: failures.cursor !== null,
        running: running.cursor !== null,
        waiting: waiting.cursor !== null,
      },
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
  answer: ({ surveys, access }) => surveys.view(access),
}

const late: Read = {
  method: 'GET',
  path: '/api/late',
  action: 'open',
  about: 'all',
  takes: ['cursor'],
  answer: ({ surveys, access, input }) => surveys.late(input.text('cursor'), access),
}

const jobs: Read = {
  method: 'GET',
  path: '/api/jobs',
  action: 'open',
  about: 'all',
  takes: [...jobFilterNames, 'limit', 'cursor'],
  async answer(call): Promise<Page<JobLine>> {
    const { client, options } = call
    const { items: lines, cursor } = await jobsOf(call, ['lastRun', 'counts', 'code'])
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

/**
 * Returns a page of jobs that the viewer may see. For a filter by last outcome, first tries the survey: a cached read of
 * all jobs, which all requests share.
 */
function jobsOf(
  { access, client, input, options, surveys, now }: Call,
  include: NonNullable<JobsFilter['include']>,
): Promise<Page<JobLine>> {
  const filter = jobsFilterOf(input)
  const read = async (page: PageAt): Promise<Page<JobLine>> => {
    const kept = filter.lastOutcome === undefined ? null : await surveys.jobs(filter, page)
    if (kept !== null) return kept
    const { items, cursor } = await client.jobs({ ...filter, ...page, include }, options)
    return { items: items.map((job) => jobLineOf(listedJobOf(job, now))), cursor }
  }
  return seenPage(access, pageOf(input), read, ({ name }) => name)
}

const sparklines: Read = {
  method: 'GET',
  path: '/api/sparklines',
  action: 'open',
  about: 'all',
  takes: [...jobFilterNames, 'limit', 'cursor'],
  async answer(call): Promise<Readonly<Record<string, readonly Bar[]>>> {
    const { client, options } = call
    const { items } = await jobsOf(call, [])
    const found: Record<string, readonly Bar[]> = Object.create(null)
    for (const { name } of items) {
      const filter = { job: name, order: 'descending', tasks: false, limit: longestSparkline } as const
      const runs = await client.occurrences(filter, options)
      found[name] = runs.items.map(barOf).reverse()
    }
    return found
  },
}

function barOf({ id, state, startedAt, finishedAt, scheduledAt, slot }: ListedOccurrence): Bar {
  const durationMs = startedAt === null || finishedAt === null ? null : finishedAt.getTime() - startedAt.getTime()
  return { id, state, durationMs, scheduledAt: (slot ?? scheduledAt).toISOString() }
}

const failures: Read = {
  method: 'GET',
  path: '/api/failures',
  action: 'open',
  about: 'all',
  takes: ['of', 'from', 'to', 'resolved', 'limit', 'cursor'],
  async answer(call) {
    const { client, input, options } = call
    const of = await visibleJobOf(call, input.text('of'))
    const includeResolved = input.flag('resolved') === true
    const filter = { ...input.pick(['from', 'to']), includeResolved, ...(of !== undefined && { job: of }) }
    return linesOf(call, pageOf(input), (page) => client.failures({ ...filter, ...page }, options))
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
    const filter = { ...input.pick(['node']), state, tasks: false }
    return linesOf(call, pageOf(input), (page) => client.live({ ...filter, ...page }, options))
  },
}

const counts: Read = {
  method: 'GET',
  path: '/api/counts',
  action: 'open',
  about: 'all',
  takes: [],
  answer: ({ surveys, access, options }) => surveys.counts(access, options),
}

const nodes: Read = {
  method: 'GET',
  path: '/api/nodes',
  action: 'open',
  about: 'all',
  takes: [],
  answer: ({ client, options }) => client.nodes(options),
}

/** Routes that read lists across all jobs. */
export const lists: readonly Read[] = [overview, survey, late, jobs, sparklines, failures, live, counts, nodes]
