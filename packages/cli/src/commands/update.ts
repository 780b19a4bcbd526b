import { readTimezone, type Schedule } from '@jobistemer/core/schedule'
import type * as TickerCron from '@jobistemer/ticker-cron'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { actorOf, interventionOptions } from '../intervention-options.ts'
import { jobOf, withNearNames } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { zoneOfSchedule } from '../schedule-zone.ts'
import { importPackage } from '../storage/import-package.ts'
import { readCount, readText } from '../values.ts'

interface Options {
  readonly cron?: string
  readonly zone?: string
  readonly schedule: boolean
  readonly expectedVersion?: number
  readonly reason?: string
  readonly actor?: string
}

/** `jobistemer update`. */
export const update: Command = {
  description:
    'Changes the schedule of a job, as its next version. It does not change the code of the nodes: a new build brings the definition of its code into force.',
  arguments: '<name>',
  options: [
    { flags: '--cron <expression>', description: 'the new schedule', parse: readText('--cron') },
    {
      flags: '--zone <name>',
      description: 'the time zone of the expression (default: that of the present schedule, or of the job)',
      parse: readText('--zone'),
    },
    { flags: '--no-schedule', description: 'remove the schedule: the job then runs only on request' },
    {
      flags: '--expected-version <version>',
      description: 'refuse unless the job is at this version',
      parse: readCount('--expected-version', 1, Number.MAX_SAFE_INTEGER),
    },
    ...interventionOptions,
  ],
  examples: [
    ['update nightly-report --cron "0 3 * * *" --reason "the backup takes longer"', 'an hour later from now on'],
    ['update nightly-report --no-schedule --reason "until the migration is over"', 'no slots any more'],
  ],
  exitsWithNo: 'the job has this schedule already',
  async run(context: Context, [name = ''], options: Options) {
    const { cron: expression, zone, schedule: keepsSchedule, expectedVersion, reason, actor } = options
    if ((expression === undefined) === keepsSchedule || (zone !== undefined && expression === undefined)) {
      throw new CliError({
        code: 'USAGE',
        message: 'update takes either --cron, or --no-schedule; --zone belongs to --cron.',
        field: '--cron',
        remedy: 'Give --cron "0 3 * * *", or --no-schedule.',
      })
    }
    const schedule = expression === undefined ? null : await cronOf(context, expression, { name, zone })
    const client = await context.client()
    const result = await withNearNames(context, name, () =>
      client.update(
        name,
        { schedule },
        {
          actor: actor ?? actorOf(context),
          ...(reason !== undefined && { reason }),
          ...(expectedVersion !== undefined && { expectedVersion }),
          ...context.call,
        },
      ),
    )
    const { out, times } = context
    const { version, changed, nextAt } = result
    if (out.isJson) out.json({ job: name, version, changed, nextAt })
    else {
      const next = nextAt === null ? 'never' : times.full(nextAt)
      out.line(text`${name}: version ${version}${changed ? '' : ', as it was before'}; next ${next}`)
    }
    return changed ? exitCodes.fine : exitCodes.no
  },
}

/**
 * Returns the schedule of a cron expression. Without `zone`, the schedule has the time zone of the stored schedule. If the
 * stored schedule has no time zone, core binds the new schedule to the time zone of the job.
 */
async function cronOf(
  context: Context,
  expression: string,
  { name, zone }: { readonly name: string; readonly zone: string | undefined },
): Promise<Schedule> {
  const { cwd } = context.io
  const { cron } = await importPackage<typeof TickerCron>('@jobistemer/ticker-cron', { cwd, field: '--cron' })
  if (zone !== undefined) return cron(expression, { timezone: readTimezone(zone, '--zone') })
  const timezone = zoneOfSchedule((await jobOf(context, name)).schedule)
  return cron(expression, timezone === undefined ? {} : { timezone })
}
