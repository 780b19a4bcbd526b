import type { Command, Context } from '../command.ts'
import { withNearNames } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { readInstant } from '../values.ts'
import { printRun } from './run.ts'

/** `jobistemer explain`. */
export const explain: Command = {
  description: 'Says what became of an instant of a job, past or ahead, and why.',
  arguments: '<name> <instant>',
  examples: [
    ['explain nightly-report 2026-01-31T02:00:00Z', 'the slot of that night'],
    ['explain nightly-report "2026-01-31 03:00+01:00"', 'the same one'],
  ],
  async run(context: Context, [name = '', given = '']) {
    const client = await context.client()
    const at = readInstant(given, { field: 'INSTANT', now: context.now(), isUtc: context.isUtc })
    const explanation = await withNearNames(context, name, () => client.explain(name, at, context.call))
    const { verdict, reason, occurrence } = explanation
    const { out, times } = context
    if (out.isJson) return out.json({ job: name, ...explanation })
    out.line(text`${name} at ${times.full(at)}: ${out.styles.bold(verdict)}`)
    if (occurrence === null) out.line(reason)
    if (verdict === 'due') out.line('Is a node up that can run the job? jobistemer doctor tells.')
    if (occurrence !== null) {
      out.line()
      printRun(context, name, occurrence)
    }
  },
}
