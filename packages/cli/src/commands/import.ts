import { writeFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import type { CheckedJob } from '../import/checked-jobs.ts'
import type { Comparison, DifferenceGroup } from '../import/compare.ts'
import type { ImportContext, ImportedRequest, ImportNote, ImportNotes, ImportSource } from '../import/import-source.ts'
import type { SourceOptions } from '../import/source-of.ts'
import { counted } from '../output/counted.ts'
import { text } from '../output/rendered.ts'
import { progressOf } from '../progress.ts'
import { readInstant, readList, readText } from '../values.ts'

interface Options extends SourceOptions {
  readonly zone?: string
  readonly output?: string
  readonly requests?: string
  readonly cutOver?: string
  readonly compare?: true
}

/** The longest data of a request, in bytes of JSON. */
const mostBytes = 131_072

/** `jobistemer import`. */
export const importJobs: Command = {
  description:
    'Reads the jobs of another system, and writes a file that plan and apply take. Names each thing that is not carried over or works differently. Never writes to the source. SOURCE is crontab, bullmq, pg-boss, or a module whose default export is a source, such as fromNodeCron([…]) or fromCroner([…]).',
  arguments: '<source> [file]',
  options: [
    {
      flags: '--from <address>',
      description:
        'where bullmq or pg-boss keeps its data: redis://HOST:PORT/0, postgres://HOST/DATABASE (env JOBISTEMER_IMPORT_FROM)',
      parse: readText('--from'),
    },
    { flags: '--queue <names>', description: 'only these queues, by comma', parse: readList('--queue') },
    {
      flags: '--source-prefix <prefix>',
      description: 'the prefix of BullMQ (default: bull), or the schema of pg-boss (default: pgboss)',
      parse: readText('--source-prefix'),
    },
    { flags: '--system', description: 'the crontab has a column with the user, as /etc/crontab and /etc/cron.d' },
    {
      flags: '--zone <name>',
      description: "the time zone of schedules that name none (default: the machine's)",
      parse: readText('--zone'),
    },
    {
      flags: '-o, --output <file>',
      description: 'write the jobs to this file, .ts or .json',
      parse: readText('--output'),
    },
    {
      flags: '--cut-over <instant>',
      description: 'the jobs start at this instant; prints how to stop the source at it',
    },
    {
      flags: '--compare',
      description: "compare the instants of the next year by the source's own library with those of the jobs",
    },
    {
      flags: '--requests <file>',
      description:
        'write the waiting and delayed jobs of a stopped source to this file, for trigger-many; with --cut-over',
      parse: readText('--requests'),
    },
  ],
  examples: [
    ['import crontab /etc/crontab --system --output jobs.ts', 'a file of jobs from a crontab'],
    ['import bullmq --from redis://localhost --compare', 'what would be carried over, and when it would run'],
    [
      'import pg-boss --from postgres://localhost/app --output jobs.json --cut-over 2027-01-15T03:00:00Z',
      'jobs that start when pg-boss stops',
    ],
    [
      'import bullmq --from redis://localhost --cut-over 2027-01-15T03:00:00Z --requests waiting.ndjson',
      'after the cut-over: the jobs that wait',
    ],
    ['import ./schedules.ts --output jobs.ts', 'the schedules of node-cron or croner, as a module lists them'],
  ],
  exitsWithNo: 'something is left out, or a difference has no explanation',
  readsNoConfig: true,
  async run(context: Context, [name = '', file]: readonly (string | undefined)[], options: Options) {
    const [{ sourceOf }, { checkJobs }] = await Promise.all([
      import('../import/source-of.ts'),
      import('../import/checked-jobs.ts'),
    ])
    const state = stateOf(context, options)
    const source = await sourceOf(context.io, name, file, options)
    try {
      const notes: ImportNote[] = (source.differences ?? []).map((what) => ({
        origin: 'all jobs',
        kind: 'differs',
        text: what,
      }))
      const noting: ImportNotes = {
        leftOut: (origin, what) => notes.push({ origin, kind: 'left_out', text: what }),
        differs: (origin, what) => notes.push({ origin, kind: 'differs', text: what }),
      }
      const jobs = await checkJobs(await source.read(state, noting), state, noting)
      if (options.output !== undefined) await writeJobs(resolve(state.cwd, options.output), source, jobs, notes)
      const requests =
        options.requests === undefined
          ? null
          : await writeRequests(resolve(state.cwd, options.requests), source, state, noting)
      const comparisons = options.compare === true ? await compareAll(context, source, jobs, state) : null
      const stop = state.cutOver === null ? [] : (source.stop?.(jobs, { ...state, cutOver: state.cutOver }) ?? [])
      print(context, { source: source.name, jobs, notes, comparisons, requests, stop, options, cutOver: state.cutOver })
      const differences = (comparisons ?? []).flatMap((comparison) => comparison.differences)
      const isWhole = notes.every(({ kind }) => kind === 'differs') && differences.every(({ rule }) => rule !== null)
      return isWhole ? exitCodes.fine : exitCodes.no
    } finally {
      await source.close?.()
    }
  },
}

function stateOf({ io, now, signal, isUtc }: Context, { zone, cutOver, requests }: Options): ImportContext {
  const timezone = zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  const at = cutOver === undefined ? null : readInstant(cutOver, { field: '--cut-over', now: now(), isUtc }).getTime()
  if (requests !== undefined && at === null)
    throw invalid(
      '--requests',
      '--requests needs the cut-over, which decides about the slots that wait.',
      'Give --cut-over INSTANT as for the jobs.',
    )
  if (at !== null && requests === undefined && at <= now())
    throw invalid(
      '--cut-over',
      `--cut-over has passed: ${JSON.stringify(cutOver)}.`,
      'Give a later instant. Store the jobs and start the stop command before it.',
    )
  if (at !== null && requests !== undefined && at > now())
    throw invalid(
      '--requests',
      `--cut-over lies ahead: ${JSON.stringify(cutOver)}.`,
      'Read the requests after the cut-over, when the source has stopped.',
    )
  return { now: now(), cwd: io.cwd, timezone, cutOver: at, signal }
}

async function writeJobs(
  file: string,
  { name }: ImportSource,
  jobs: readonly CheckedJob[],
  notes: readonly ImportNote[],
): Promise<void> {
  const { jobsFile } = await import('../import/jobs-file.ts')
  if (!/\.(ts|mts|json)$/.test(file))
    throw invalid(
      '--output',
      `--output is neither TypeScript nor JSON: ${JSON.stringify(file)}.`,
      'Give a name that ends with .ts or .json.',
    )
  try {
    // `wx`: a file that exists may hold changes of the user.
    writeFileSync(file, jobsFile(file, name, jobs, notes), { flag: 'wx' })
  } catch (cause) {
    throw invalid(
      '--output',
      `The jobs cannot be written: ${(cause as Error).message}.`,
      'Give the name of a new file in a folder that exists.',
      cause,
    )
  }
}

/** Writes one request a line. The file has its name only when it is whole. Returns the number of requests. */
async function writeRequests(
  file: string,
  source: ImportSource,
  state: ImportContext,
  notes: ImportNotes,
): Promise<number> {
  if (source.requests === undefined)
    throw invalid('--requests', `${source.name} has no queue.`, 'Leave --requests out.')
  const part = `${file}.part`
  const output = await open(part, 'w').catch((cause: Error) => {
    throw invalid(
      '--requests',
      `The requests cannot be written: ${cause.message}.`,
      'Give the name of a file in a folder that exists.',
      cause,
    )
  })
  let count = 0
  try {
    for await (const request of source.requests({ ...state, cutOver: state.cutOver as number }, notes)) {
      state.signal.throwIfAborted()
      if (isTooLarge(request)) {
        const remedy = 'Store them elsewhere, and trigger the job with their address.'
        notes.leftOut(`${request.job}, job ${request.key}`, `Its data have more than ${mostBytes} bytes. ${remedy}`)
        continue
      }
      await output.write(`${JSON.stringify(request)}\n`)
      count += 1
    }
  } finally {
    await output.close()
  }
  await rename(part, file)
  return count
}

function isTooLarge({ data }: ImportedRequest): boolean {
  return data !== undefined && Buffer.byteLength(JSON.stringify(data)) > mostBytes
}

async function compareAll(
  context: Context,
  source: ImportSource,
  jobs: readonly CheckedJob[],
  state: ImportContext,
): Promise<readonly Comparison[]> {
  const { compareJob } = await import('../import/compare.ts')
  const { instantsAfter, rules } = source
  if (instantsAfter === undefined || rules === undefined)
    throw invalid('--compare', `The source ${source.name} cannot compute instants.`, 'Leave --compare out.')
  const scheduled = jobs.filter(({ schedule }) => schedule !== null)
  const progress = progressOf(context, { verb: 'Compared', total: scheduled.length })
  const comparisons: Comparison[] = []
  for (const job of scheduled) {
    state.signal.throwIfAborted()
    comparisons.push(await compareJob({ ...source, instantsAfter, rules }, job, state))
    progress.show(comparisons.length)
  }
  progress.end()
  return comparisons
}

function invalid(field: string, message: string, remedy: string, cause?: unknown): CliError {
  return new CliError({ code: 'INVALID_ARGUMENT', field, message, remedy, cause })
}

interface Report {
  readonly source: string
  readonly jobs: readonly CheckedJob[]
  readonly notes: readonly ImportNote[]
  readonly comparisons: readonly Comparison[] | null
  readonly requests: number | null
  readonly stop: readonly string[]
  readonly options: Options
  readonly cutOver: number | null
}

function print(
  { out, times }: Context,
  { source, jobs, notes, comparisons, requests, stop, options, cutOver }: Report,
): void {
  const { output = null } = options
  if (out.isJson) {
    const iso = (at: number): string => new Date(at).toISOString()
    const listed = jobs.map(({ name, origin, schedule, handler }) => ({ name, origin, schedule, handler }))
    const group = ({ first, last, ...rest }: DifferenceGroup) => ({ ...rest, first: iso(first), last: iso(last) })
    const compared =
      comparisons?.map(({ until, differences, ...rest }) => ({
        ...rest,
        until: iso(until),
        differences: differences.map(group),
      })) ?? null
    out.json({ source, output, jobs: listed, notes, comparisons: compared, requests, stop })
    return
  }
  const { bold, red, yellow } = out.styles
  const at = (ms: number): string => times.at(new Date(ms))
  for (const { kind, origin, text: what } of notes) {
    out.line(text`${kind === 'left_out' ? red('left out') : yellow('differs ')}  ${bold(origin)}: ${what}`)
  }
  for (const { job, equal, until, differences } of comparisons ?? []) {
    out.line(text`${bold(job)}: ${counted(equal, 'equal instant')} until ${at(until)}`)
    for (const { side, count, first, last, rule } of differences) {
      const span = count === 1 ? at(first) : `${count} from ${at(first)} to ${at(last)}`
      out.line(
        text`  only ${side === 'source' ? source : 'Jobistemer'}  ${span}. ${rule ?? red('No rule explains this. Please report it.')}`,
      )
    }
  }
  const leftOut = notes.filter(({ kind }) => kind === 'left_out').length
  out.line(
    text`${counted(jobs.length, 'job')} of ${source}${output === null ? '' : ` written to ${output}`}, ${leftOut} left out.`,
  )
  if (requests !== null)
    out.line(
      text`${counted(requests, 'request')} written. Trigger them: jobistemer trigger-many ${options.requests as string}`,
    )
  if (cutOver !== null && requests === null) {
    out.line('')
    out.line(text`The jobs start at ${at(cutOver)}. Apply them before. Stop ${source} with:`)
    for (const line of stop) out.block(line, '')
  }
}
