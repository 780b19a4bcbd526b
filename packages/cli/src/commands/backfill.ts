import type { BackfillOptions, BackfillResult, Client } from '@jobistemer/core'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { actorOf } from '../intervention-options.ts'
import { withNearNames } from '../job-of.ts'
import { counted } from '../output/counted.ts'
import { text } from '../output/rendered.ts'
import { shellWord } from '../shell-word.ts'
import { checkSpan, readCount, readInstant, readText } from '../values.ts'
import type { GlobalOptions } from '../global-options.ts'
import { type BackfillCommands, watchBackfill } from '../watch-backfill.ts'
import { type RequestOptions, requestOf, requestOptions } from './trigger.ts'

interface Options
  extends Pick<RequestOptions, 'data' | 'key' | 'priority' | 'tasks' | 'reason' | 'actor'>,
    Pick<GlobalOptions, 'storage' | 'config' | 'prefix'> {
  readonly from?: string
  readonly to?: string
  readonly missed?: true
  readonly failed?: true
  readonly all?: true
  readonly newestFirst?: true
  readonly maxActive?: number
  readonly dryRun?: true
  readonly wait: boolean
  readonly stop?: string
}

/** Options of `trigger` that apply to a single run. `backfill` does not accept them. */
const ofOneRun = ['--key-scope', '--at', '--delay', '--wait']

/** Maximum number of slots that a dry run of `backfill` lists. */
const mostShown = 20

/** `jobistemer backfill`. */
export const backfill: Command = {
  description:
    'Runs slots of a past span, by the schedule that is in force now, and shows the progress. Each run gets its slot as scheduledAt. The nodes run the backfill: if you stop watching, it continues.',
  arguments: '<name>',
  options: [
    { flags: '--from <instant>', description: 'the beginning of the span (required)', parse: readText('--from') },
    { flags: '--to <instant>', description: 'its end, exclusive (default: now)', parse: readText('--to') },
    { flags: '--missed', description: 'slots that never ran (the default)' },
    { flags: '--failed', description: 'slots that failed; with --missed both kinds' },
    { flags: '--all', description: 'every slot, whatever its result' },
    { flags: '--newest-first', description: 'from the end of the span backwards' },
    {
      flags: '--max-active <count>',
      description: 'maximum number of active runs of the backfill, if the overlap policy is allow (default: 1)',
      parse: readCount('--max-active', 1, 1000),
    },
    { flags: '--dry-run', description: 'only show which slots would run' },
    { flags: '--no-wait', description: 'do not watch the backfill' },
    {
      flags: '--stop <key>',
      description: 'stop the backfill with this key; its running runs may end',
      parse: readText('--stop'),
    },
    ...requestOptions
      .filter(({ flags }) => !ofOneRun.some((flag) => flags.startsWith(flag)))
      .map((option) =>
        option.flags.includes('--key ')
          ? { ...option, description: 'the key of the backfill: the same key continues it, and runs no slot twice' }
          : option,
      ),
  ],
  examples: [
    ['backfill nightly-report --from 2025-12-01T00:00:00Z --to 2026-01-01T00:00:00Z --dry-run', 'what would be run'],
    ['backfill nightly-report --from -7d --missed --failed --key week', 'what went wrong last week'],
    ['backfill nightly-report --stop week', 'no more of it'],
  ],
  exitsWithNo: 'a run of the backfill failed, or was canceled',
  async run(context: Context, [name = ''], options: Options) {
    const client = await context.client()
    if (options.stop !== undefined) {
      refuseBesideStop(options)
      return stop(context, client, name, { ...options, key: options.stop })
    }
    const asked = await askedOf(context, options)
    const ask = (more: object = {}) => client.backfill(name, { ...asked, ...more, ...context.call })
    const begun = await withNearNames(context, name, ask)
    const { key } = begun
    // With `--wait`, the command repeats the call of `backfill` until the backfill ends. Each call also continues a stalled
    // backfill.
    const goesOn = options.dryRun === undefined && options.wait
    const commands = { same: commandOf(name, { ...asked, key }, options), stop: stopOf(name, key, options) }
    const result = goesOn ? await watchBackfill(context, { name, begun, commands, look: () => ask({ key }) }) : begun
    return print(context, name, result, { ...options, commands })
  },
}

/** Rejects options that have no effect with `--stop`, such as `--dry-run`. */
function refuseBesideStop(options: Options): void {
  const others = [
    'from',
    'to',
    'missed',
    'failed',
    'all',
    'newestFirst',
    'maxActive',
    'dryRun',
    'data',
    'key',
    'priority',
    'tasks',
  ]
  const other = others.find((name) => options[name as keyof Options] !== undefined)
  if (other === undefined) return
  const flag = `--${other.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  throw new CliError({
    code: 'USAGE',
    message: `${flag} is given beside --stop. Nothing was done.`,
    field: flag,
    remedy: 'Omit it: --stop KEY takes only the job and the key.',
  })
}

/**
 * Returns the command line that continues a backfill. The command line has no `--data`, because the runs already have the
 * data.
 */
function commandOf(
  name: string,
  { key, from, to, which, order, maxActive, tasks, priority }: BackfillOptions,
  options: Options,
): string {
  const chosen = { missed: '', failed: ' --failed', missed_and_failed: ' --missed --failed', all: ' --all' }[
    which ?? 'missed'
  ]
  const more = [
    order === 'newest_first' ? ' --newest-first' : '',
    maxActive === 1 ? '' : ` --max-active ${maxActive}`,
    tasks === undefined ? '' : ` --tasks ${shellWord(tasks.join(','))}`,
    priority === undefined ? '' : ` --priority ${priority}`,
  ].join('')
  const instant = (at: unknown) => (at as Date).toISOString()
  const span = `--from ${instant(from)} --to ${instant(to)}`
  const ofKey = `${shellWord(name)} --key ${shellWord(String(key))}`
  return `jobistemer backfill ${ofKey} ${span}${chosen}${more}${placeOf(options)}`
}

function stopOf(name: string, key: string, options: Options): string {
  return `jobistemer backfill ${shellWord(name)} --stop ${shellWord(key)}${placeOf(options)}`
}

/**
 * Returns the options `--storage`, `--config` and `--prefix` of this call, as text for another command line. If the storage
 * address contains `@`, it may contain a password. The text then has `…` in place of the address.
 */
function placeOf({ storage, config, prefix }: Options): string {
  const shown = storage?.includes('@') ? '…' : storage
  return [
    shown === undefined ? '' : ` --storage ${shown === '…' ? shown : shellWord(shown)}`,
    config === false ? ' --no-config' : config === undefined ? '' : ` --config ${shellWord(config)}`,
    prefix === undefined ? '' : ` --prefix ${shellWord(prefix)}`,
  ].join('')
}

async function askedOf(context: Context, options: Options): Promise<BackfillOptions> {
  const { to: until = 'now', missed, failed, all, newestFirst, maxActive = 1, dryRun } = options
  if (options.from === undefined) {
    throw new CliError({
      code: 'USAGE',
      message: 'The start of the span is not given.',
      field: '--from',
      remedy: 'Give --from -7d, or an instant.',
    })
  }
  if (all === true && (missed === true || failed === true)) {
    throw new CliError({
      code: 'USAGE',
      message: '--all is given beside --missed or --failed.',
      field: '--all',
      remedy: 'Give --all, or --missed and --failed.',
    })
  }
  const which = all === true ? 'all' : failed === true ? (missed === true ? 'missed_and_failed' : 'failed') : 'missed'
  const reading = { now: context.now(), isUtc: context.isUtc }
  const from = readInstant(options.from, { field: '--from', ...reading })
  const to = readInstant(until, { field: '--to', ...reading })
  checkSpan(from, to)
  return {
    ...(await requestOf(context, requestIn(options))),
    from,
    to,
    which,
    order: newestFirst === true ? 'newest_first' : 'oldest_first',
    maxActive,
    ...(dryRun === true && { dryRun }),
  }
}

function requestIn({ data, key, priority, tasks, reason, actor }: Options): RequestOptions {
  return {
    ...(data !== undefined && { data }),
    ...(key !== undefined && { key }),
    ...(priority !== undefined && { priority }),
    ...(tasks !== undefined && { tasks }),
    ...(reason !== undefined && { reason }),
    ...(actor !== undefined && { actor }),
  }
}

async function stop(
  context: Context,
  client: Client,
  job: string,
  { key, reason, actor = actorOf(context) }: Pick<Options, 'reason' | 'actor'> & { readonly key: string },
) {
  const why = { actor, ...(reason !== undefined && { reason }) }
  const stopped = await withNearNames(context, job, () => client.stopBackfill(job, key, { ...why, ...context.call }))
  const { canceled, running } = stopped
  if (context.out.isJson) context.out.json({ job, key, stopped })
  if (canceled + running === 0) {
    throw new CliError({
      code: 'BACKFILL_NOT_FOUND',
      message: `No backfill of ${job} with the key ${JSON.stringify(key)} is under way.`,
      field: '--stop',
      remedy: `jobistemer backfills ${shellWord(job)} lists the backfills of the job.`,
      exitCode: exitCodes.notFound,
    })
  }
  if (context.out.isJson) return
  context.out.line(text`${job}: backfill ${key} is stopped: ${canceled} canceled, ${running} may end.`)
}

function print(
  { out, times }: Context,
  job: string,
  result: BackfillResult,
  { dryRun, wait, commands }: Pick<Options, 'dryRun' | 'wait'> & { readonly commands: BackfillCommands },
): number {
  const { slots, passed, open, live, completed, failed, canceled, next, last } = result
  if (out.isJson) out.json({ job, ...result })
  else if (dryRun === true) {
    for (const slot of next.slice(0, mostShown)) out.line(times.at(slot))
    if (open > mostShown && last !== null) out.line(text`… to ${times.at(last)}`)
    out.line(text`Would run ${open} of ${counted(slots, 'slot')} of ${job}. Nothing was done.`)
  } else {
    out.line(
      text`${job}: ${completed} completed, ${failed} failed, ${canceled} canceled, ${live + open} to come; ${passed} of ${counted(slots, 'slot')} passed over`,
    )
    if (!wait && live + open > 0) {
      out.line(text`${commands.same} watches it.`)
      out.line(text`${commands.stop} stops it.`)
    }
  }
  return failed + canceled > 0 && dryRun !== true ? exitCodes.no : exitCodes.fine
}
