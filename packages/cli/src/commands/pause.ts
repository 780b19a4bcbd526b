import { counted } from '../output/counted.ts'
import { doToAll } from '../bulk.ts'
import type { Command, Context } from '../command.ts'
import { confirm, confirmOptions } from '../confirm.ts'
import { text } from '../output/rendered.ts'
import { type JobSelection, selectionOptions, selectJobs } from '../select-jobs.ts'
import { actorOf, interventionOptions } from './trigger.ts'

interface Options extends JobSelection {
  readonly reason?: string
  readonly actor?: string
  readonly yes?: true
  readonly dryRun?: true
}

/** `jobistemer pause`. */
export const pause: Command = {
  description:
    'Stops jobs on all nodes until they are resumed: slots meanwhile are recorded as skipped, nothing starts, what runs may end.',
  arguments: '[names...]',
  options: [...selectionOptions, ...interventionOptions, ...confirmOptions],
  examples: [
    ['pause nightly-report --reason "the disk is full"', 'one job'],
    ['pause --owner billing --dry-run', 'which jobs it would pause'],
  ],
  async run(context: Context, names, options: Options) {
    const client = await context.client()
    const { reason, actor } = options
    const how = { ...context.call, actor: actor ?? actorOf(context), ...(reason !== undefined && { reason }) }
    await change(context, names, options, { verb: 'Paused', question: 'Pause', act: (name) => client.pause(name, how) })
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
    const act = (name: string) => client.resume(name, context.call)
    await change(context, names, options, { verb: 'Resumed', question: 'Resume', act })
  },
}

async function change(
  context: Context,
  given: readonly unknown[],
  options: Options,
  { verb, question, act }: { readonly verb: string; readonly question: string; act(name: string): Promise<void> },
): Promise<void> {
  const { out } = context
  const named = given.flat() as readonly string[]
  const { names, areMatched } = await selectJobs(context, named, options)
  const isDry = options.dryRun === true
  if (!isDry) {
    if (areMatched && names.length > 0)
      await confirm(context, text`${question} ${counted(names.length, 'job')}?`, options.yes)
    await doToAll(context, names, { verb, act })
  }
  if (out.isJson) return out.json({ dryRun: isDry, jobs: names })
  for (const name of names) out.line(name)
  out.line(
    isDry ? text`Would ${question.toLowerCase()} ${names.length}. Nothing was done.` : text`${verb} ${names.length}.`,
  )
}
