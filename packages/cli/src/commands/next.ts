import type { Command, Context } from '../command.ts'
import { jobOf } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { readCount } from '../values.ts'

/** `jobistemer next`. */
export const next: Command = {
  description: 'Lists the next slots of a job as it is scheduled now.',
  arguments: '<name>',
  options: [
    {
      flags: '-n, --count <count>',
      description: 'number of slots (default: 5)',
      default: 5,
      parse: readCount('--count', 1, 100_000),
    },
  ],
  examples: [
    ['next nightly-report', 'the next five'],
    ['next nightly-report -n 20 --timezone Europe/Berlin', 'more, in another zone'],
  ],
  async run(context: Context, [name = ''], { count }: { readonly count: number }) {
    const info = await jobOf(context, name)
    const client = await context.client()
    const slots = await client.nextRuns(name, count, context.call)
    const { out, times } = context
    if (out.isJson) return out.json({ job: name, paused: info.paused !== null, slots })
    for (const slot of slots) out.line(text`${times.at(slot)}  ${out.styles.dim(times.relative(slot))}`)
    if (slots.length === 0)
      out.line(
        info.schedule === null
          ? 'The job has no schedule: it runs on request only.'
          : 'The schedule has no more slots.',
      )
    if (info.paused !== null) {
      const end = info.paused.until === null ? 'it is resumed' : times.full(info.paused.until)
      out.line(out.styles.yellow(text`The job is paused: slots are skipped until ${end}.`))
    }
  },
}
