import type { ListedOccurrence } from '@jobistemer/core'
import type { LiveState } from '@jobistemer/core/storage'
import type { Command, Context } from '../command.ts'
import { text } from '../output/rendered.ts'
import { printRuns } from '../output/runs-table.ts'
import { readCount, readList } from '../values.ts'

/** The states of unfinished runs, in the order of the output. */
const liveStates: readonly LiveState[] = ['running', 'pending', 'queued']

interface Options {
  readonly state?: readonly LiveState[]
  readonly limit: number
}

/** `jobistemer live`. */
export const live: Command = {
  description:
    'Lists running and waiting runs of all jobs: the running ones first, each state in the order of the jobs.',
  options: [
    {
      flags: '--state <states>',
      description: `only these, separated by commas: ${liveStates.join(', ')}`,
      parse: readList('--state', liveStates),
    },
    {
      flags: '-n, --limit <count>',
      description: 'runs per state, at most (default: 100)',
      default: 100,
      parse: readCount('--limit', 1, 10_000),
    },
  ],
  examples: [
    ['live', 'what runs and waits'],
    ['live --state running --json', 'what runs, for a program'],
  ],
  async run(context: Context, _, { state, limit }: Options) {
    const client = await context.client()
    const states = liveStates.filter((one) => state === undefined || state.includes(one))
    const [counts, pages] = await Promise.all([
      client.counts(undefined, context.call),
      Promise.all(states.map((one) => client.live({ state: one, limit }, context.call))),
    ])
    const runs = pages.flatMap(({ items }) => [...items].sort(byJobAndTime))
    const isPartial = pages.some(({ cursor }) => cursor !== null)
    const { out } = context
    if (out.isJson) return out.json({ counts, runs, isPartial })
    if (runs.length > 0) {
      const listed = runs.map((occurrence) => ({ job: occurrence.job ?? '(deleted)', occurrence }))
      await printRuns(context, listed)
    }
    out.line(text`${counts.running} running, ${counts.pending} pending, ${counts.queued} queued.`)
    if (isPartial) out.line(text`There are more than are listed: --limit ${limit} of each state.`)
  },
}

function byJobAndTime(one: ListedOccurrence, other: ListedOccurrence): number {
  const [left, right] = [one.job ?? '', other.job ?? '']
  if (left !== right) return left < right ? -1 : 1
  return one.scheduledAt.getTime() - other.scheduledAt.getTime()
}
