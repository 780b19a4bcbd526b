import type { Command, Context } from '../command.ts'
import { jobOf } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { zoneOfSchedule } from '../schedule-zone.ts'
import { readInstant } from '../values.ts'
import { printRun } from './run.ts'

/** `jobistemer explain`. */
export const explain: Command = {
  description:
    'Explains why an instant of a job ran or did not run, or whether it will. An instant without an offset is in the time zone of the job.',
  arguments: '<name> <instant>',
  examples: [
    ['explain nightly-report 2026-01-31T02:00:00Z', 'the slot of that night'],
    ['explain nightly-report "2026-01-31 03:00+01:00"', 'the same one'],
    ['explain nightly-report "2026-01-31 03:00"', 'the same one, if the time zone of the job is Europe/Berlin'],
  ],
  async run(context: Context, [name = '', given = '']) {
    const client = await context.client()
    const { schedule, settings } = await jobOf(context, name)
    const zone = zoneOfSchedule(schedule) ?? settings.timezone
    const at = readInstant(given, { field: 'INSTANT', now: context.now(), isUtc: context.isUtc, zone })
    const explanation = await client.explain(name, at, context.call)
    const { verdict, reason, occurrence, nearest } = explanation
    const { out, times } = context
    if (out.isJson) return out.json({ job: name, ...explanation })
    out.line(text`${name} at ${times.full(at)}: ${out.styles.bold(verdict)}`)
    if (occurrence === null) out.line(reason)
    if (nearest !== null) {
      out.fields([
        ['slot before', nearest.before === null ? 'none' : times.full(nearest.before)],
        ['slot after', nearest.after === null ? 'none' : times.full(nearest.after)],
      ])
    }
    if (verdict === 'due') out.line('Is a node up that can run the job? jobistemer doctor tells.')
    if (occurrence !== null) {
      out.line()
      printRun(context, name, occurrence)
    }
  },
}
