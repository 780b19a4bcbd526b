import type { BackfillReference, BackfillResult, Client, ListedOccurrence } from '@jobistemer/core'
import type { Command, Context } from '../command.ts'
import { jobOf } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { readCount } from '../values.ts'

interface Options {
  readonly runs: number
}

/** A backfill that the command has found by one of its runs. Each run of a backfill stores the backfill's whole request. */
interface Found {
  readonly job: string
  readonly backfill: BackfillReference
  readonly requestActor: string | null
  readonly requestReason: string | null
}

interface Listed extends Pick<BackfillReference, 'key' | 'from' | 'to' | 'which' | 'order'> {
  readonly job: string
  /**
   * `stopped`: the backfill has slots left, but no waiting or running run. `unknown`: this process cannot read the
   * schedule.
   */
  readonly state: 'running' | 'stopped' | 'ended' | 'unknown'
  readonly actor: string | null
  readonly reason: string | null
  readonly progress: Pick<BackfillResult, 'slots' | 'open' | 'live' | 'completed' | 'failed' | 'canceled'> | null
}

const liveStates = ['running', 'pending', 'queued'] as const
const endedStates = ['completed', 'completed_with_errors', 'failed', 'failed_stale', 'canceled'] as const
const pageSize = 1000

/** `jobistemer backfills`. */
export const backfills: Command = {
  description:
    'Lists the backfills that have a waiting or active run. With a job, also the stopped and ended backfills of that job, which are found by their runs in the history.',
  arguments: '[name]',
  options: [
    {
      flags: '--runs <count>',
      description: 'with a job: how many of its latest ended runs to read (default: 20000)',
      default: 20_000,
      parse: readCount('--runs', 1, 1_000_000),
    },
  ],
  examples: [
    ['backfills', 'the ones under way, of all jobs'],
    ['backfills nightly-report', 'all of one job, with their results'],
    ['backfills nightly-report --runs 200000', 'also older ones'],
  ],
  async run(context: Context, [name], { runs }: Options) {
    const client = await context.client()
    const found = new Map<string, Found>()
    const add = ({ job, backfill, requestActor, requestReason }: ListedOccurrence): void => {
      if (backfill === null || job === null || (name !== undefined && job !== name)) return
      const key = JSON.stringify([job, backfill.key])
      if (!found.has(key)) found.set(key, { job, backfill, requestActor, requestReason })
    }
    if (name !== undefined) await jobOf(context, name)
    for (const state of liveStates) {
      for await (const run of client.live({ state, tasks: false, limit: pageSize }, context.call)) add(run)
    }
    let isPartial = false
    if (name !== undefined) {
      const filter = { job: name, states: endedStates, order: 'descending', tasks: false, limit: pageSize } as const
      let read = 0
      for await (const run of client.occurrences(filter, context.call)) {
        isPartial = read++ === runs
        if (isPartial) break
        add(run)
      }
    }
    const items: Listed[] = []
    for (const one of found.values()) items.push(await listedOf(context, client, one))
    items.sort((one, other) =>
      one.job < other.job ? -1 : one.job > other.job ? 1 : other.from.getTime() - one.from.getTime(),
    )
    if (context.out.isJson) return context.out.json({ backfills: items, isPartial })
    await print(context, items)
    if (isPartial) context.out.line(text`Only the latest ${runs} ended runs were read: --runs reads more.`)
  },
}

async function listedOf(context: Context, client: Client, found: Found): Promise<Listed> {
  const { job, requestActor: actor, requestReason: reason } = found
  const { key, from, to, which, order } = found.backfill
  const listed = { job, key, from, to, which, order, actor, reason }
  try {
    const asked = { key, from, to, which, order, dryRun: true } as const
    const { slots, open, live, completed, failed, canceled } = await client.backfill(job, { ...asked, ...context.call })
    const state = live > 0 ? 'running' : open > 0 ? 'stopped' : 'ended'
    return { ...listed, state, progress: { slots, open, live, completed, failed, canceled } }
  } catch (error) {
    const { code } = error as { readonly code?: unknown }
    if (code !== 'UNKNOWN_SCHEDULE_TYPE' && code !== 'INVALID_ARGUMENT') throw error
    return { ...listed, state: 'unknown', progress: null }
  }
}

async function print({ out, times }: Context, items: readonly Listed[]): Promise<void> {
  if (items.length === 0) return out.line('No backfills.')
  const number = (count: number | undefined) => (count === undefined ? '' : String(count))
  await out.table(
    [
      { title: 'JOB', shrinks: true },
      { title: 'KEY', shrinks: true },
      { title: 'STATE' },
      { title: 'FROM' },
      { title: 'TO' },
      { title: 'SLOTS', align: 'right' },
      { title: 'COMPLETED', align: 'right' },
      { title: 'FAILED', align: 'right' },
      { title: 'CANCELED', align: 'right' },
      { title: 'TO COME', align: 'right' },
    ],
    items.map(({ job, key, state, from, to, progress }) => [
      job,
      key,
      state,
      times.at(from),
      times.at(to),
      number(progress?.slots),
      number(progress?.completed),
      number(progress?.failed),
      number(progress?.canceled),
      number(progress === null ? undefined : progress.open + progress.live),
    ]),
  )
}
