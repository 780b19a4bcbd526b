import { counted } from '../output/counted.ts'
import type { Command, Context } from '../command.ts'
import { withNearNames } from '../job-of.ts'
import { text } from '../output/rendered.ts'

/** `jobistemer realign`. */
export const realign: Command = {
  description:
    'Resets jobs whose slots a wrong clock has decided ahead of the time: one job, or all of them. Slots that ran ahead do not run again.',
  arguments: '[name]',
  examples: [['realign', 'all jobs that are ahead; none, when all are well']],
  async run(context: Context, [name]) {
    const client = await context.client()
    const call = () => client.realign(name, context.call)
    const realigned = name === undefined ? await call() : await withNearNames(context, name, call)
    const { out, times } = context
    if (out.isJson) return out.json({ realigned })
    if (realigned.length === 0) out.line('No job is ahead.')
    for (const { name: job, decidedUpTo, nextAt, waiting } of realigned) {
      const next = nextAt === null ? 'never' : times.at(nextAt)
      out.line(
        text`${job}: was decided up to ${times.at(decidedUpTo)}; next ${next}; ${counted(waiting.length, 'slot')} ahead wait`,
      )
    }
  },
}
