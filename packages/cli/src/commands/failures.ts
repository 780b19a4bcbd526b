import type { Command, Context } from '../command.ts'
import { listFailures } from '../list-failures.ts'
import { text } from '../output/rendered.ts'
import { printRuns } from '../output/runs-table.ts'
import { readCount, readInstant, readText } from '../values.ts'

interface Options {
  readonly since: string
  readonly owner?: string
  readonly limit: number
}

/** `jobistemer failures`. */
export const failures: Command = {
  description: 'Lists runs of all jobs that have failed, in whole or in part, newest first.',
  options: [
    { flags: '--since <instant>', description: 'scheduled from then on (default: -24h)', default: '-24h' },
    { flags: '--owner <tag>', description: 'only of jobs with this owner tag', parse: readText('--owner') },
    {
      flags: '-n, --limit <count>',
      description: 'at most so many (default: 50)',
      default: 50,
      parse: readCount('--limit', 1, 10_000),
    },
  ],
  examples: [
    ['failures', 'of the last 24 hours'],
    ['failures --since -7d --json', 'of a week, for a program'],
  ],
  async run(context: Context, _, { since, owner, limit }: Options) {
    const from = readInstant(since, { field: '--since', now: context.now(), isUtc: context.isUtc })
    const { failures: found, more } = await listFailures(context, { from, owner, limit })
    if (context.out.isJson) return context.out.json({ since: from, failures: found, more })
    if (found.length === 0) return context.out.line(text`No failures since ${context.times.full(from)}.`)
    printRuns(context, found)
    if (more) context.out.line('There are more: raise --limit.')
  },
}
