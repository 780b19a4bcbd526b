import type { Command, Context } from '../command.ts'
import { jobOf } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { printRuns } from '../output/runs-table.ts'
import { readCount, readInstant, readText } from '../values.ts'

interface Options {
  readonly since: string
  readonly job?: string
  readonly resolved?: true
  readonly cursor?: string
  readonly limit: number
}

/** `jobistemer failures`. */
export const failures: Command = {
  description:
    'Lists failed and partly failed runs of all jobs, newest first. A failure is resolved, and not listed, after a replay or a backfill run for its slot was completed.',
  options: [
    { flags: '--since <instant>', description: 'ended from then on (default: -24h)', default: '-24h' },
    { flags: '--job <name>', description: 'only of this job', parse: readText('--job') },
    { flags: '--resolved', description: 'also failures that a completed replay or backfill run resolves' },
    {
      flags: '--cursor <cursor>',
      description: 'start of the page: the cursor that the page before printed',
      parse: readText('--cursor'),
    },
    {
      flags: '-n, --limit <count>',
      description: 'maximum number of failures (default: 50)',
      default: 50,
      parse: readCount('--limit', 1, 10_000),
    },
  ],
  examples: [
    ['failures', 'of the last 24 hours'],
    ['failures --since -7d --json', 'of a week, for a program'],
  ],
  async run(context: Context, _, { since, job, resolved, cursor, limit }: Options) {
    const client = await context.client()
    const from = readInstant(since, { field: '--since', now: context.now(), isUtc: context.isUtc })
    if (job !== undefined) await jobOf(context, job)
    const includeResolved = resolved === true
    const filter = {
      from,
      limit,
      includeResolved,
      ...(job !== undefined && { job }),
      ...(cursor !== undefined && { cursor }),
    }
    const page = await client.failures(filter, context.call)
    if (context.out.isJson) return context.out.json({ since: from, failures: page.items, cursor: page.cursor })
    if (page.items.length === 0)
      return context.out.line(
        text`No ${includeResolved ? '' : 'unresolved '}failures since ${context.times.full(from)}.`,
      )
    await printRuns(
      context,
      page.items.map(({ resolvedBy, ...occurrence }) => ({
        job: occurrence.job ?? '(deleted)',
        occurrence,
        note: resolvedBy === null ? null : `resolved by ${resolvedBy}`,
      })),
    )
    if (page.cursor !== null) context.out.line(text`There are more: --cursor ${page.cursor}`)
  },
}
