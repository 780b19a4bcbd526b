import { counted } from '../output/counted.ts'
import { doToAll } from '../bulk.ts'
import type { Command, Context } from '../command.ts'
import { confirm, confirmOptions } from '../confirm.ts'
import { text } from '../output/rendered.ts'
import { whileCalling } from '../progress.ts'
import { type JobSelection, selectionOptions, selectJobs } from '../select-jobs.ts'
import { actorOf, interventionOptions } from '../intervention-options.ts'

interface Options extends JobSelection {
  readonly reason?: string
  readonly actor?: string
  readonly yes?: true
  readonly dryRun?: true
}

/** What is done to jobs: to one, and to all of a tag or an owner. */
interface Change {
  readonly verb: string
  readonly doing: string
  readonly question: string
  /** Those that match are changed if they are so. */
  readonly paused: boolean
  one(name: string): Promise<void>
  all(filter: Pick<JobSelection, 'owner' | 'tag'>): Promise<readonly string[]>
}

/** `jobistemer pause`. */
export const pause: Command = {
  description:
    'Stops jobs on all nodes until they are resumed: slots meanwhile are recorded as skipped, nothing starts, what runs may end.',
  arguments: '[names...]',
  options: [...selectionOptions, ...interventionOptions, ...confirmOptions],
  examples: [
    ['pause nightly-report --reason "the disk is full"', 'one job'],
    ['pause --owner billing --dry-run', 'which jobs it would pause: those that are not paused yet'],
  ],
  async run(context: Context, names, options: Options) {
    const client = await context.client()
    const { reason, actor } = options
    const how = { ...context.call, actor: actor ?? actorOf(context), ...(reason !== undefined && { reason }) }
    await change(context, names, options, {
      verb: 'Paused',
      doing: 'Pausing',
      question: 'Pause',
      paused: false,
      one: (name) => client.pause(name, how),
      all: (filter) => client.pauseAll(filter, how),
    })
  },
}

/** `jobistemer resume`. */
export const resume: Command = {
  description: 'Lifts the pause of jobs on all nodes. Slots inside it are not made up for.',
  arguments: '[names...]',
  options: [...selectionOptions, ...confirmOptions],
  examples: [
    ['resume nightly-report', 'one job'],
    ['resume --owner billing --yes', 'all of an owner'],
  ],
  async run(context: Context, names, options: Options) {
    const client = await context.client()
    await change(context, names, options, {
      verb: 'Resumed',
      doing: 'Resuming',
      question: 'Resume',
      paused: true,
      one: (name) => client.resume(name, context.call),
      all: (filter) => client.resumeAll(filter, context.call),
    })
  },
}

async function change(context: Context, given: readonly unknown[], options: Options, what: Change): Promise<void> {
  const { out } = context
  const { verb, question, paused } = what
  const { names, areMatched } = await selectJobs(context, given.flat() as readonly string[], { ...options, paused })
  const isDry = options.dryRun === true
  if (!isDry && areMatched && names.length > 0) {
    await confirm(context, text`${question} ${counted(names.length, 'job')}?`, options.yes)
  }
  const changed = isDry ? names : await changeThem(context, { names, areMatched }, options, what)
  if (out.isJson) return out.json({ dryRun: isDry, jobs: changed })
  for (const name of changed) out.line(name)
  out.line(
    isDry
      ? text`Would ${question.toLowerCase()} ${changed.length}. Nothing was done.`
      : text`${verb} ${changed.length}.`,
  )
}

async function changeThem(
  context: Context,
  { names, areMatched }: { readonly names: readonly string[]; readonly areMatched: boolean },
  { owner, tag, match }: Options,
  { verb, doing, one, all }: Change,
): Promise<readonly string[]> {
  // Core knows tags and owners, and no parts of names.
  if (areMatched && match === undefined) {
    const filter = { ...(owner !== undefined && { owner }), ...(tag !== undefined && { tag }) }
    return whileCalling(context, { verb: doing, count: names.length, noun: 'job' }, () => all(filter))
  }
  await doToAll(context, names, { verb, act: one })
  return names
}
