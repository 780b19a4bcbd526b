import type { KeyScope, Occurrence, OccurrenceId, TriggerOptions, TriggerResult } from '@jobistemer/core'
import { CliError } from '../cli-error.ts'
import type { Command, CommandOption, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { actorOf, interventionOptions } from '../intervention-options.ts'
import { withNearNames } from '../job-of.ts'
import { whyOf } from '@jobistemer/core'
import { text } from '../output/rendered.ts'
import { readData } from '../read-data.ts'
import { readDuration, readInstant, readLevel, readList, readText } from '../values.ts'
import { printRun } from './run.ts'

/** The parsed options that `trigger` and `replay` share. */
export interface RequestOptions {
  readonly data?: string
  readonly key?: string
  readonly keyScope?: KeyScope
  readonly at?: string
  readonly delay?: number
  readonly priority?: number
  readonly wait?: true
  readonly timeout?: number
  readonly tasks?: readonly string[]
  readonly reason?: string
  readonly actor?: string
}

/** The command-line options of commands that request a run. */
export const requestOptions: readonly CommandOption[] = [
  { flags: '-d, --data <json>', description: 'data for the tasks: JSON, @FILE, or @- for standard input' },
  {
    flags: '-k, --key <key>',
    description: 'a second request with this key returns the first run',
    parse: readText('--key'),
  },
  {
    flags: '--key-scope <scope>',
    description:
      'until when a run blocks its key: waiting, until it starts; live, until it has ended; forever, while its record is kept',
    choices: ['waiting', 'live', 'forever'],
  },
  { flags: '--at <instant>', description: 'earliest start of the run: ISO 8601 with an offset, or +30m' },
  { flags: '--delay <duration>', description: 'earliest start, counted from now', parse: readDuration('--delay') },
  {
    flags: '--priority <level>',
    description: 'priority of the run, -10 to 10; the highest starts first (default: the priority of the job)',
    parse: readLevel('--priority', -10, 10),
  },
  {
    flags: '--wait',
    description: 'wait until the run ends, for at most --timeout if given, and show the run as the command run does',
  },
  { flags: '--tasks <names>', description: 'only these tasks, separated by commas', parse: readList('--tasks') },
  ...interventionOptions,
]

/** Explains exit code 1 in the help of commands that request a run. */
export const requestsNo = 'the run was skipped by the overlap policy; with --wait: it was not completed'

/** `jobistemer trigger`. */
export const trigger: Command = {
  description: 'Runs a job now, or once later, outside its schedule, under its overlap policy.',
  arguments: '<name>',
  options: requestOptions,
  examples: [
    ['trigger nightly-report', 'run it now'],
    ['trigger nightly-report --at 2026-01-31T22:00:00Z', 'or once that evening'],
    ['trigger import --wait --timeout 10m', 'and wait: the exit code is 0 when it is completed'],
    [
      `trigger nightly-report --data '{"day":"2026-01-01"}' --key 2026-01-01`,
      'with data, and only once for any number of requests',
    ],
    ['trigger rebuild-index --key index --key-scope waiting', 'unless a run with this key waits already'],
    ['trigger import --data @rows.json --reason "asked for by support"', 'with data from a file'],
  ],
  exitsWithNo: requestsNo,
  async run(context: Context, [name = ''], options: RequestOptions) {
    const client = await context.client()
    const request = await requestOf(context, options)
    const result = await withNearNames(context, name, () => client.trigger(name, { ...request, ...context.call }))
    return finishRequest(context, name, result, options)
  },
}

/** Converts command-line options to the options of the client's call. */
export async function requestOf(
  context: Context,
  { data, key, keyScope, tasks, at, delay, priority, reason, actor }: RequestOptions,
): Promise<TriggerOptions> {
  if (at !== undefined && delay !== undefined) {
    throw new CliError({
      code: 'USAGE',
      message: 'Two options set the start of the run.',
      field: '--delay',
      remedy: 'Give either --at or --delay.',
    })
  }
  if (keyScope !== undefined && key === undefined) {
    throw new CliError({
      code: 'INVALID_ARGUMENT',
      message: '--key-scope is given without --key.',
      field: '--key-scope',
      remedy: 'Give --key too, or leave --key-scope out.',
    })
  }
  return {
    actor: actor ?? actorOf(context),
    ...(data !== undefined && { data: await readData(data, context.io) }),
    ...(key !== undefined && { key }),
    ...(keyScope !== undefined && { keyScope }),
    ...(tasks !== undefined && { tasks }),
    ...(at !== undefined && { at: readInstant(at, { field: '--at', now: context.now(), isUtc: context.isUtc }) }),
    ...(delay !== undefined && { delay }),
    ...(priority !== undefined && { priority }),
    ...(reason !== undefined && { reason }),
  }
}

/** Prints the result of a request and returns the exit code. With `--wait`, first waits for the end of the run. */
export async function finishRequest(
  context: Context,
  job: string | null,
  result: TriggerResult,
  { wait, timeout }: Pick<RequestOptions, 'wait' | 'timeout'>,
): Promise<number> {
  const { out, err } = context
  const isWaiting = wait === true
  if (!out.isJson) {
    const why = result.reason === null ? '' : ` (${result.reason})`
    const again = result.created ? '' : ', as was asked for with this key before'
    // With `--wait`, standard output contains only the run, so the result of the request goes to standard error.
    const printer = isWaiting ? err : out
    printer.line(text`${job ?? result.id}: ${result.state}${why}${again}`)
    if (result.skipped !== null) err.line(text`This request never runs. ${whyOf(result)}`)
    printer.line(text`jobistemer run ${result.id}`)
  }
  if (!isWaiting) {
    if (out.isJson) out.json({ job: job ?? result.id, ...result })
    return result.state === 'skipped' ? exitCodes.no : exitCodes.fine
  }
  const occurrence = await endOf(context, result.id, timeout)
  if (out.isJson) {
    const { state, reason } = occurrence
    out.json({ job: job ?? result.id, ...result, state, reason, why: whyOf(occurrence), occurrence })
  } else printRun(context, job, occurrence)
  return occurrence.state === 'completed' ? exitCodes.fine : exitCodes.no
}

async function endOf(context: Context, id: OccurrenceId, timeout: number | undefined): Promise<Occurrence> {
  const client = await context.client()
  try {
    return await client.waitFor(id, { ...context.call, ...(timeout !== undefined && { timeout }) })
  } catch (cause) {
    if (!context.signal.aborted) throw cause
    throw new CliError({
      code: 'INTERRUPTED',
      message: `Stopped by Ctrl-C. The run continues: ${id}.`,
      remedy: 'jobistemer run shows the run, and jobistemer cancel ends it.',
      exitCode: exitCodes.interrupted,
      cause,
    })
  }
}
