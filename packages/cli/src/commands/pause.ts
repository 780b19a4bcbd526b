import type { JobInfo } from '@jobistemer/core'
import { counted } from '../output/counted.ts'
import { doToAll } from '../bulk.ts'
import type { Command, Context } from '../command.ts'
import { confirm, confirmOptions } from '../confirm.ts'
import { text } from '../output/rendered.ts'
import { CliError } from '../cli-error.ts'
import { whileCalling } from '../progress.ts'
import { type JobSelection, type SelectedJobs, selectionOptions, selectJobs } from '../select-jobs.ts'
import { readDuration, readInstant } from '../values.ts'
import { actorOf, interventionOptions } from '../intervention-options.ts'

interface Options extends JobSelection {
  readonly reason?: string
  readonly actor?: string
  readonly until?: string
  readonly for?: number
  readonly yes?: true
  readonly dryRun?: true
}

/** A change that a command makes to one job, or to all jobs with a tag or an owner. */
interface Change {
  readonly verb: string
  readonly doing: string
  readonly question: string
  /** Returns whether the command has to change a matching job. */
  isWanted(job: JobInfo): boolean
  /** Output text for jobs that need no change, such as "was not paused". */
  readonly unwanted: string
  one(name: string): Promise<void>
  all(filter: Pick<JobSelection, 'owner' | 'tag'>): Promise<readonly string[]>
}

/** `jobistemer pause`. */
export const pause: Command = {
  description:
    'Pauses jobs on all nodes until you resume them, or until the end that --until or --for sets. The nodes record slots of the pause as skipped, and start no runs. Running runs may end. A job that is already paused for longer stays as it is.',
  arguments: '[names...]',
  options: [
    ...selectionOptions,
    ...interventionOptions,
    { flags: '--until <instant>', description: 'resume the jobs at this instant: 2026-01-31T02:00:00Z, +2h' },
    {
      flags: '--for <duration>',
      description: 'resume the jobs after this duration: 2h',
      parse: readDuration('--for', 1),
    },
    ...confirmOptions,
  ],
  examples: [
    ['pause nightly-report --reason "the disk is full"', 'one job'],
    ['pause nightly-report --for 2h', 'for two hours'],
    ['pause --owner billing --dry-run', 'show the jobs that it would pause'],
  ],
  async run(context: Context, names, options: Options) {
    const { reason, actor } = options
    const end = endOf(context, options)
    const client = await context.client()
    const why = { actor: actor ?? actorOf(context), ...(reason !== undefined && { reason }) }
    const how = { ...context.call, ...why, ...(end !== null && { until: end }) }
    await change(context, names, options, {
      verb: 'Paused',
      doing: 'Pausing',
      question: 'Pause',
      isWanted: ({ paused }) => paused === null || (paused.until !== null && (end === null || paused.until < end)),
      unwanted: 'was paused for as long before',
      one: (name) => client.pause(name, how),
      all: (filter) => client.pauseAll(filter, how),
    })
  },
}

/** Returns the instant at which the pause ends, the same for all jobs; `null` for a pause without an end. */
function endOf(context: Context, { until, for: length }: Options): Date | null {
  const now = context.now()
  if (until === undefined) return length === undefined ? null : new Date(now + length)
  const end = readInstant(until, { field: '--until', now, isUtc: context.isUtc })
  if (length === undefined && end.getTime() > now) return end
  throw new CliError({
    code: 'INVALID_ARGUMENT',
    field: '--until',
    message: `--until ${length === undefined ? 'does not lie ahead' : 'comes beside --for'}: ${JSON.stringify(until)}.`,
    remedy: 'Give an instant that lies ahead, or --for, or neither: then the jobs stay paused until they are resumed.',
  })
}

/** `jobistemer resume`. */
export const resume: Command = {
  description: 'Lifts the pause of jobs on all nodes. Slots of the pause stay skipped.',
  arguments: '[names...]',
  options: [...selectionOptions, ...interventionOptions, ...confirmOptions],
  examples: [
    ['resume nightly-report --reason "there is room again"', 'one job'],
    ['resume --owner billing --yes', 'all of an owner'],
  ],
  async run(context: Context, names, options: Options) {
    const { reason, actor } = options
    const client = await context.client()
    const how = { ...context.call, actor: actor ?? actorOf(context), ...(reason !== undefined && { reason }) }
    await change(context, names, options, {
      verb: 'Resumed',
      doing: 'Resuming',
      question: 'Resume',
      isWanted: ({ paused }) => paused !== null,
      unwanted: 'was not paused',
      one: (name) => client.resume(name, how),
      all: (filter) => client.resumeAll(filter, how),
    })
  },
}

async function change(context: Context, given: readonly unknown[], options: Options, what: Change): Promise<void> {
  const { out } = context
  const { verb, question, isWanted } = what
  const selected = await selectJobs(context, given.flat() as readonly string[], options, isWanted)
  const { names, unwanted, areMatched } = selected
  const isDry = options.dryRun === true
  if (!isDry && areMatched && names.length > 0) {
    await confirm(context, text`${question} ${counted(names.length, 'job')}?`, options.yes)
  }
  const done = isDry ? names : await changeThem(context, selected, options, what)
  const changed = done.filter((name) => !unwanted.includes(name))
  if (out.isJson) return out.json({ dryRun: isDry, jobs: changed })
  for (const name of changed) out.line(name)
  for (const name of unwanted) out.line(text`${name}: ${what.unwanted}`)
  out.line(
    isDry
      ? text`Would ${question.toLowerCase()} ${changed.length}. Nothing was done.`
      : text`${verb} ${changed.length}.`,
  )
}

async function changeThem(
  context: Context,
  { names, areMatched }: SelectedJobs,
  { owner, tag, match }: Options,
  { verb, doing, one, all }: Change,
): Promise<readonly string[]> {
  // If the user selects jobs only by tag or owner, one call of the client changes all of them. The client cannot select
  // jobs by a part of their name. So with `--match`, the command makes one call for each job.
  if (areMatched && match === undefined) {
    const filter = { ...(owner !== undefined && { owner }), ...(tag !== undefined && { tag }) }
    return whileCalling(context, { verb: doing, count: names.length, noun: 'job' }, () => all(filter))
  }
  await doToAll(context, names, { verb, act: one })
  return names
}
