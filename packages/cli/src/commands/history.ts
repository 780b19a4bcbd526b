import { stateMeanings } from '@jobistemer/core'
import type { Command, Context } from '../command.ts'
import { jobOf } from '../job-of.ts'
import { printRuns } from '../output/runs-table.ts'
import { allStates } from '../output/states.ts'
import { text } from '../output/rendered.ts'
import { checkSpan, readCount, readInstant, readList, readText } from '../values.ts'

interface Options {
  readonly state?: readonly (typeof allStates)[number][]
  readonly from?: string
  readonly to?: string
  readonly oldestFirst?: true
  readonly limit: number
  readonly cursor?: string
}

/** `jobistemer history`. */
export const history: Command = {
  description: 'Lists the runs of a job, ended, running and waiting, and the slots that did not run, newest first.',
  arguments: '<name>',
  options: [
    {
      flags: '--state <states>',
      description: `only these, separated by commas: ${allStates.join(', ')}`,
      parse: readList('--state', allStates),
    },
    { flags: '--from <instant>', description: 'only from then on: ISO 8601 with its offset, now, or -24h' },
    { flags: '--to <instant>', description: 'only before then' },
    { flags: '--oldest-first', description: 'the oldest first' },
    {
      flags: '-n, --limit <count>',
      description: 'maximum number of runs (default: 20)',
      default: 20,
      parse: readCount('--limit', 1, 100_000),
    },
    {
      flags: '--cursor <cursor>',
      description: 'start of the page: the cursor that the page before printed',
      parse: readText('--cursor'),
    },
  ],
  words: { title: 'States', meanings: stateMeanings },
  examples: [
    ['history nightly-report', 'the last 20 runs'],
    ['history nightly-report --state failed,failed_stale --from -7d', 'what failed in the last week'],
    ['history nightly-report --json | jq .occurrences[0].tasks', 'for a program'],
  ],
  async run(context: Context, [name = ''], { state, oldestFirst, limit, cursor: after, ...span }: Options) {
    const client = await context.client()
    const instantOf = (field: string, value: string | undefined) =>
      value === undefined ? undefined : readInstant(value, { field, now: context.now(), isUtc: context.isUtc })
    const from = instantOf('--from', span.from)
    const to = instantOf('--to', span.to)
    checkSpan(from, to)
    const { items: occurrences, cursor } = await client.occurrences(
      {
        job: name,
        limit,
        order: oldestFirst === true ? 'ascending' : 'descending',
        ...(state !== undefined && { states: state }),
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
        ...(after !== undefined && { cursor: after }),
      },
      context.call,
    )
    // A deleted job may still have history, so the command first reads the history. If the history is empty, `jobOf` throws an
    // error for a job that does not exist.
    if (occurrences.length === 0) await jobOf(context, name)
    if (context.out.isJson) return context.out.json({ job: name, occurrences, cursor })
    if (occurrences.length === 0) return context.out.line('No runs.')
    await printRuns(
      context,
      occurrences.map((occurrence) => ({ occurrence })),
    )
    if (cursor !== null) context.out.line(text`There are more: --cursor ${cursor}`)
  },
}
