import { counted } from '../output/counted.ts'
import type { CancelResult, OccurrenceId } from '@jobistemer/core'
import { isFinal } from '@jobistemer/core/storage'
import { doToAll } from '../bulk.ts'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { confirm, confirmOptions } from '../confirm.ts'
import { exitCodes } from '../exit-codes.ts'
import { jobOf } from '../job-of.ts'
import { type Rendered, text } from '../output/rendered.ts'
import { printRuns } from '../output/runs-table.ts'
import { runOf } from '../run-of.ts'
import { readCount, readList, readText } from '../values.ts'
import { actorOf, interventionOptions } from '../intervention-options.ts'

const liveStates = ['pending', 'queued', 'running'] as const

interface Options {
  readonly job?: string
  readonly state?: readonly (typeof liveStates)[number][]
  readonly limit?: number
  readonly force?: true
  readonly reason?: string
  readonly actor?: string
  readonly yes?: true
  readonly dryRun?: true
}

/** `jobistemer cancel`. */
export const cancel: Command = {
  description:
    'Cancels single runs, or the runs of a job. Waiting runs end at once. The owner of a running run stops it.',
  arguments: '[runs...]',
  options: [
    { flags: '--job <name>', description: 'those of this job', parse: readText('--job') },
    {
      flags: '--state <states>',
      description: 'with --job: pending, queued, running (default: pending,queued)',
      parse: readList('--state', liveStates),
    },
    {
      flags: '-n, --limit <count>',
      description: 'with --job: maximum number of runs to cancel, oldest first (default: 10000)',
      parse: readCount('--limit', 1, 100_000),
    },
    { flags: '--force', description: 'end running runs at once, without waiting for their owners' },
    ...interventionOptions,
    ...confirmOptions,
  ],
  examples: [
    ['cancel occ_2b7d…', 'one run'],
    ['cancel --job import --state queued --dry-run', 'what it would cancel'],
    ['cancel --job import --state queued --yes --reason "bad input"', 'all that are queued'],
  ],
  exitsWithNo: 'a run had ended before; or you said no',
  async run(context: Context, runs, options: Options) {
    const ids = runs.flat() as readonly OccurrenceId[]
    if ((ids.length === 0) === (options.job === undefined)) {
      throw new CliError({
        code: 'USAGE',
        message: 'No runs are given: neither ids of runs nor a job.',
        field: 'RUN',
        remedy: 'Give ids, or --job NAME.',
      })
    }
    const needsJob = options.state !== undefined ? '--state' : options.limit !== undefined ? '--limit' : null
    if (options.job === undefined && needsJob !== null) {
      throw new CliError({
        code: 'USAGE',
        message: `${needsJob} is given beside ids, but it only selects runs of a job.`,
        field: needsJob,
        remedy: 'Leave it out, or give --job NAME in place of the ids.',
      })
    }
    const client = await context.client()
    const { reason, actor, force } = options
    const how = {
      ...context.call,
      actor: actor ?? actorOf(context),
      ...(reason !== undefined && { reason }),
      ...(force === true && { force }),
    }
    if (options.job === undefined && options.dryRun === true) return await showRuns(context, ids)
    const wanted = options.job === undefined ? { ids, isPartial: false } : await selected(context, options.job, options)
    if (wanted === null) return exitCodes.fine
    const outcomes = await doToAll(context, wanted.ids, { verb: 'Canceled', act: (id) => client.cancel(id, how) })
    return report(
      context,
      outcomes.map(({ result }) => result),
      wanted.isPartial ? options.job : undefined,
    )
  },
}

/** Dry run: prints the given runs, and marks the runs that a cancel would end. */
async function showRuns(context: Context, ids: readonly OccurrenceId[]): Promise<number> {
  const runs = []
  for (const id of ids) runs.push(await runOf(context, id))
  const live = runs.filter(({ occurrence }) => !isFinal(occurrence.state))
  if (context.out.isJson) {
    const results = runs.map(({ occurrence: { id, state } }) => ({ id, outcome: null, state }))
    context.out.json({ dryRun: true, job: null, results, isPartial: false })
  } else {
    await printRuns(
      context,
      runs.map(({ job, occurrence }) => ({ job: job ?? '', occurrence })),
    )
    const ended = runs.length - live.length
    context.out.line(
      text`Would cancel ${live.length}${ended === 0 ? '' : `; ${ended} had ended before`}. Nothing was done.`,
    )
  }
  return live.length < runs.length ? exitCodes.no : exitCodes.fine
}

/** The runs of a job that the command cancels. */
interface Selection {
  readonly ids: readonly OccurrenceId[]
  /** `true` if more runs than `--limit` match. */
  readonly isPartial: boolean
}

/** Selects the runs of `job` that have one of the given states. Returns `null` after a dry run. */
async function selected(
  context: Context,
  job: string,
  { state = ['pending', 'queued'], limit = 10_000, yes, dryRun }: Options,
): Promise<Selection | null> {
  const client = await context.client()
  await jobOf(context, job)
  const { items: found, cursor } = await client.occurrences(
    { job, states: state, limit, order: 'ascending' },
    context.call,
  )
  const isPartial = cursor !== null
  if (dryRun === true) {
    if (context.out.isJson) {
      const results = found.map(({ id, state }) => ({ id, outcome: null, state }))
      context.out.json({ dryRun: true, job, results, isPartial })
    } else {
      await printRuns(
        context,
        found.map((occurrence) => ({ occurrence })),
      )
      context.out.line(text`Would cancel ${found.length} of ${job}. Nothing was done.`)
      if (isPartial) context.out.line(moreOf(job))
    }
    return null
  }
  const question = text`Cancel ${counted(found.length, 'run')} of ${job}?`
  if (found.length > 0) await confirm(context, isPartial ? text`${question} ${moreOf(job)}` : question, yes)
  return { ids: found.map(({ id }) => id), isPartial }
}

function moreOf(job: string): Rendered {
  return text`More runs of ${job} match: repeat the command for them, or raise --limit.`
}

/** Prints the results. `partialJob`: the job that has more matching runs than `--limit`. */
function report({ out }: Context, results: readonly CancelResult[], partialJob: string | undefined): number {
  if (out.isJson) out.json({ dryRun: false, job: null, results, isPartial: partialJob !== undefined })
  else if (results.length === 1) {
    const [{ id, outcome, state }] = results as [CancelResult]
    const said = {
      canceled: 'canceled',
      requested: 'its node was asked to stop it',
      final: `had ended before: ${state}`,
    }
    out.line(text`${id}: ${said[outcome]}`)
  } else {
    const count = (outcome: CancelResult['outcome']) => results.filter((result) => result.outcome === outcome).length
    const ended = count('final') === 0 ? '' : `, ${count('final')} had ended before`
    const asked = count('requested') === 0 ? '' : `, ${count('requested')} asked to stop`
    out.line(text`${count('canceled')} canceled${asked}${ended}`)
  }
  if (partialJob !== undefined && !out.isJson) out.line(moreOf(partialJob))
  return results.some(({ outcome }) => outcome === 'final') ? exitCodes.no : exitCodes.fine
}
