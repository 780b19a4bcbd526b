import type { PruneOptions } from '@jobistemer/core'
import { counted } from '../output/counted.ts'
import { doToAll } from '../bulk.ts'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { confirm, confirmOptions } from '../confirm.ts'
import { jobOf } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { duration } from '../output/times.ts'
import { whileCalling } from '../progress.ts'
import { readCount, readDuration, readText } from '../values.ts'

interface Options {
  readonly olderThan: number
  readonly keep: number
  readonly job?: string
  readonly yes?: true
  readonly dryRun?: true
}

/** `jobistemer prune`. */
export const prune: Command = {
  description:
    'Removes old history. Never makes an old slot run again. What nodes remove by themselves is the retention of a job.',
  options: [
    {
      flags: '--older-than <duration>',
      description: 'runs that ended and were scheduled longer ago (required)',
      parse: readDuration('--older-than'),
    },
    {
      flags: '--keep <count>',
      description: 'number of latest runs to keep of each job (default: 0)',
      default: 0,
      parse: readCount('--keep', 0, Number.MAX_SAFE_INTEGER),
    },
    { flags: '--job <name>', description: 'of this job alone', parse: readText('--job') },
    ...confirmOptions,
  ],
  examples: [
    ['prune --older-than 90d --keep 100', 'of all jobs'],
    ['prune --older-than 90d --dry-run', 'only count what would be removed'],
    ['prune --older-than 7d --job import --yes', 'of one, without asking'],
  ],
  exitsWithNo: 'you said no',
  async run(context: Context, _, { olderThan, keep, job, yes, dryRun }: Options) {
    if (olderThan === undefined) {
      throw new CliError({
        code: 'USAGE',
        message: 'No minimum age is given for the history to remove.',
        field: '--older-than',
        remedy: 'Give --older-than 90d.',
      })
    }
    const client = await context.client()
    if (job !== undefined) await jobOf(context, job)
    const whose = job === undefined ? 'all jobs' : job
    if (dryRun === true) {
      const count = await client.prune({ olderThan, keep, ...(job !== undefined && { job }), dryRun, ...context.call })
      if (context.out.isJson) return context.out.json({ dryRun: true, job: job ?? null, removed: count })
      context.out.line(text`Would remove ${counted(count, 'run')} of ${whose}. Nothing was done.`)
      return
    }
    await confirm(context, text`Remove the history of ${whose} that is older than ${duration(olderThan)}?`, yes)
    const how = { olderThan, keep, ...context.call }
    const removed = job === undefined ? await pruneAll(context, how) : await client.prune({ ...how, job })
    if (context.out.isJson) return context.out.json({ dryRun: false, job: job ?? null, removed })
    context.out.line(text`Removed ${counted(removed, 'run')}.`)
  },
}

/** Maximum number of jobs that the command prunes one by one, to show its progress. More jobs are pruned in a single call. */
const mostOneByOne = 1000

async function pruneAll(context: Context, how: PruneOptions): Promise<number> {
  const client = await context.client()
  const { items, cursor } = await client.jobs({ limit: mostOneByOne }, context.call)
  const all = (): Promise<number> => client.prune(how)
  if (cursor !== null)
    return whileCalling(context, { verb: 'Pruning more than', count: items.length, noun: 'job' }, all)
  const outcomes = await doToAll(context, items, {
    verb: 'Pruned the history of jobs:',
    act: ({ name }) => client.prune({ ...how, job: name }),
  })
  // The calls above have pruned the existing jobs one by one. `all()` then prunes what is left: the history of deleted jobs.
  return outcomes.reduce((sum, { result }) => sum + result, await all())
}
