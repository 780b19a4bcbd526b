import { counted } from '../output/counted.ts'
import type { Command, Context } from '../command.ts'
import { confirm, confirmOptions } from '../confirm.ts'
import { jobOf } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { whileCalling } from '../progress.ts'

interface Options {
  readonly yes?: true
  readonly dryRun?: true
}

/** `jobistemer remove`. */
export const remove: Command = {
  description:
    'Deletes jobs on all nodes. Cancels their waiting runs, lets running runs end, and keeps the history until it is pruned. A node whose code defines a deleted job stores it again when the node starts.',
  arguments: '<names...>',
  options: confirmOptions,
  examples: [
    ['remove nightly-report', 'asks first'],
    ['remove import export --yes', 'two, without asking'],
  ],
  exitsWithNo: 'you said no',
  async run(context: Context, given, { yes, dryRun }: Options) {
    const names = [...new Set(given.flat() as readonly string[])]
    let waiting = 0
    // Checks all names first, so that the command removes no job if one job does not exist.
    for (const name of names) {
      const { counts } = await jobOf(context, name)
      waiting += counts.pending + counts.queued
    }
    const { out } = context
    const also =
      waiting === 0 ? '' : ` ${counted(waiting, 'run')} that ${waiting === 1 ? 'waits' : 'wait'} will be canceled.`
    if (dryRun === true) {
      if (out.isJson) return out.json({ dryRun: true, jobs: names })
      out.line(text`Would remove ${names.join(', ')}.${also} Nothing was done.`)
      return
    }
    await confirm(context, text`Remove ${names.join(', ')}?${also}`, yes)
    const client = await context.client()
    const removed = await whileCalling(context, { verb: 'Removing', count: names.length, noun: 'job' }, () =>
      client.remove(names, context.call),
    )
    if (out.isJson) return out.json({ dryRun: false, jobs: removed })
    for (const name of removed) out.line(name)
    const elsewhere = names.length - removed.length
    out.line(
      text`Removed ${removed.length}${elsewhere === 0 ? '' : `, ${elsewhere} were removed elsewhere meanwhile`}.`,
    )
  },
}
