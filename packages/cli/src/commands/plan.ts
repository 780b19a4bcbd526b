import { resolve } from 'node:path'
import type { DefinitionPlan, PlannedChange } from '@jobistemer/core'
import { CliError } from '../cli-error.ts'
import type { Command, CommandOption, Context } from '../command.ts'
import { confirm } from '../confirm.ts'
import { exitCodes } from '../exit-codes.ts'
import { definitionsOf } from '../definitions-of.ts'
import { changedPartTexts } from '../output/changed-parts.ts'
import { text } from '../output/rendered.ts'
import { whileCalling } from '../progress.ts'
import { readText } from '../values.ts'

interface Options {
  readonly owner?: string
  readonly yes?: true
}

const ownerOption: CommandOption = {
  flags: '--owner <tag>',
  description: 'the tag that the definitions are stored under (default: owner of the configuration)',
  parse: readText('--owner'),
}

const what =
  'The file is a module that exports definitions, one by one or in lists. The plan removes stored jobs of the owner tag that the module does not export.'

/** `jobistemer plan`. */
export const plan: Command = {
  description: `Shows what storing definitions would add, change and remove. Changes nothing. ${what}`,
  arguments: '<file>',
  options: [ownerOption],
  examples: [
    ['plan jobs.ts --owner billing', 'what would change'],
    ['plan jobs.ts --owner billing --json', 'for a deployment: exit code 1 is drift'],
  ],
  exitsWithNo: 'what is stored differs from the definitions',
  async run(context: Context, [file = ''], options: Options) {
    const planned = await planOf(context, file, options)
    print(context, planned, false)
    return isEmpty(planned) ? exitCodes.fine : exitCodes.no
  },
}

/** `jobistemer apply`. */
export const apply: Command = {
  description: `Stores definitions: does what plan shows. ${what}`,
  arguments: '<file>',
  options: [ownerOption, { flags: '-y, --yes', description: 'do not ask' }],
  examples: [['apply jobs.ts --owner billing --yes', 'in a deployment']],
  exitsWithNo: 'you said no',
  createsTables: true,
  async run(context: Context, [file = ''], options: Options) {
    const planned = await planOf(context, file, options)
    if (!isEmpty(planned)) {
      if (!context.out.isJson) print(context, planned, false)
      await confirm(context, text`Store this under the owner tag ${planned.owner}?`, options.yes, 'jobistemer plan')
      const client = await context.client()
      // Applies the whole plan in one call. If a job has changed since the plan was made, the storage stores nothing.
      const count = planned.added.length + planned.changed.length + planned.removed.length
      await whileCalling(context, { verb: 'Storing', count, noun: 'change' }, () => client.apply(planned, context.call))
    }
    if (context.out.isJson) return print(context, planned, true)
    context.out.line(isEmpty(planned) ? 'Nothing to do.' : 'Stored.')
  },
}

async function planOf(context: Context, file: string, options: Options): Promise<DefinitionPlan> {
  const { config } = await context.session.config()
  const owner = options.owner ?? config.owner
  if (owner === undefined) {
    throw new CliError({
      code: 'USAGE',
      message: 'No owner tag is given for the definitions.',
      field: '--owner',
      remedy: 'Give --owner TAG, or owner in the configuration.',
    })
  }
  const jobs = await definitionsOf(resolve(context.io.cwd, file))
  return (await context.client()).plan(jobs, { owner, ...context.call })
}

function isEmpty({ added, changed, removed }: DefinitionPlan): boolean {
  return added.length + changed.length + removed.length === 0
}

function print({ out, times }: Context, planned: DefinitionPlan, isApplied: boolean): void {
  const { owner, added, changed, removed, unchanged } = planned
  if (out.isJson) {
    out.json({ owner, applied: isApplied && !isEmpty(planned), added, changed, removed, unchanged })
    return
  }
  const { green, yellow, red } = out.styles
  const slots = (dates: readonly Date[]) =>
    dates.length === 0 ? 'none' : dates.map((date) => times.at(date)).join(', ')
  const line = (mark: string, style: typeof red, { name, before, after, changes }: PlannedChange): void => {
    out.line(style(text`${mark} ${name}`))
    out.fields(changedPartTexts(changes, '    '))
    if (before.length > 0) out.line(text`    next slots before  ${slots(before)}`)
    if (after.length > 0) out.line(text`    next slots after   ${slots(after)}`)
  }
  for (const change of added) line('+', green, change)
  for (const change of changed) line('~', yellow, change)
  for (const change of removed) line('-', red, change)
  out.line(
    text`${added.length} to add, ${changed.length} to change, ${removed.length} to remove, ${unchanged.length} unchanged.`,
  )
}
