import type { Command, Context } from '../command.ts'
import { withNearNames } from '../job-of.ts'
import { whyOf } from '../output/reasons.ts'
import { text } from '../output/rendered.ts'
import { readInstant } from '../values.ts'
import { printRun } from './run.ts'

const verdicts = {
  recorded: 'There is a record of it.',
  covered: 'A recovery decided about it together with others.',
  will_run: 'It lies ahead, and will run.',
  paused: 'The job is paused: it will be skipped unless the job is resumed before.',
  due: 'It is due, and no node has decided about it yet. Is a node up that can run the job? See jobistemer doctor.',
  not_a_slot: 'The schedule has no slot there.',
  before_creation: 'The job was not there yet.',
  pruned: 'Its record was too old to be kept.',
  unknown: 'It was a slot by a schedule that is not in force any more, or never was one.',
} as const

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
    out.line(occurrence === null ? reason : whyOf(occurrence))
    if (occurrence === null && verdict !== 'not_a_slot') out.line(verdicts[verdict])
    if (occurrence !== null) {
      out.line()
      printRun(context, name, occurrence)
    }
  },
}
