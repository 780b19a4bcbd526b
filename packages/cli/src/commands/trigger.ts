import { userInfo } from 'node:os'
import type { TriggerOptions, TriggerResult } from '@jobistemer/core'
import type { Command, CommandOption, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withNearNames } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { readData } from '../read-data.ts'
import { readList, readText } from '../values.ts'

/** What `trigger` and `replay` take. */
export interface RequestOptions {
  readonly data?: string
  readonly key?: string
  readonly tasks?: readonly string[]
  readonly reason?: string
  readonly actor?: string
}

/** The options of whatever steps in. */
export const interventionOptions: readonly CommandOption[] = [
  { flags: '--reason <text>', description: 'why; kept in the record', parse: readText('--reason') },
  {
    flags: '--actor <name>',
    description: 'who; kept in the record (default: the user of this machine)',
    parse: readText('--actor'),
  },
]

/** The options of what asks for a run. */
export const requestOptions: readonly CommandOption[] = [
  { flags: '-d, --data <json>', description: 'handed to the tasks: JSON, @FILE, or @- for standard input' },
  { flags: '-k, --key <key>', description: 'a second request with this key is the same run', parse: readText('--key') },
  { flags: '--tasks <names>', description: 'only these tasks, separated by commas', parse: readList('--tasks') },
  ...interventionOptions,
]

/** `jobistemer trigger`. */
export const trigger: Command = {
  description: 'Runs a job now, outside its schedule, under its overlap policy. Does not wait for the run to end.',
  arguments: '<name>',
  options: requestOptions,
  examples: [
    ['trigger nightly-report', 'run it now'],
    [
      `trigger nightly-report --data '{"day":"2026-01-01"}' --key 2026-01-01`,
      'with data, and once however often it is asked for',
    ],
    ['trigger import --data @rows.json --reason "asked for by support"', 'with data from a file'],
  ],
  exitsWithNo: 'the run was skipped: by the overlap policy, or because too many wait',
  async run(context: Context, [name = ''], options: RequestOptions) {
    const client = await context.client()
    const request = await requestOf(context, options)
    const result = await withNearNames(context, name, () => client.trigger(name, { ...request, ...context.call }))
    return printRequested(context, name, result)
  },
}

/** What is asked of the client. */
export async function requestOf(
  context: Context,
  { data, key, tasks, reason, actor }: RequestOptions,
): Promise<TriggerOptions> {
  return {
    actor: actor ?? actorOf(context),
    ...(data !== undefined && { data: await readData(data, context.io) }),
    ...(key !== undefined && { key }),
    ...(tasks !== undefined && { tasks }),
    ...(reason !== undefined && { reason }),
  }
}

/** The user of this machine. */
export function actorOf({ io }: Context): string {
  try {
    return io.env.USER || io.env.LOGNAME || userInfo().username
  } catch {
    // A user id without a name, as in containers.
    return 'cli'
  }
}

/** Says what became of a request, and answers the exit code. */
export function printRequested({ out }: Context, job: string, result: TriggerResult): number {
  if (out.isJson) out.json({ job, ...result })
  else {
    const why = result.reason === null ? '' : ` (${result.reason})`
    const again = result.created ? '' : ', as was asked for with this key before'
    out.line(text`${job}: ${result.state}${why}${again}`)
    out.line(text`jobistemer run ${result.id}`)
  }
  return result.state === 'skipped' ? exitCodes.no : exitCodes.fine
}
