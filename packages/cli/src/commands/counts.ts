import type { Command, Context } from '../command.ts'
import { jobOf } from '../job-of.ts'

/** `jobistemer counts`. */
export const counts: Command = {
  description:
    'Counts the pending, queued and running runs of a job or of all jobs. The cost does not depend on their number.',
  arguments: '[name]',
  examples: [
    ['counts', 'of all jobs'],
    ['counts import --json', 'of one, for a program'],
  ],
  async run(context: Context, [name]) {
    const client = await context.client()
    if (name !== undefined) await jobOf(context, name)
    const { pending, queued, running } = await client.counts(name, context.call)
    if (context.out.isJson) return context.out.json({ job: name ?? null, counts: { pending, queued, running } })
    context.out.fields([
      ['running', running],
      ['pending', pending],
      ['queued', queued],
    ])
  },
}
