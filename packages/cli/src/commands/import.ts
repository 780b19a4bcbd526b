import { writeFileSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { readTimezone } from '@jobistemer/core/schedule'
import { CliError } from '../cli-error.ts'
import type { Command, CommandOption, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import type { CheckedJob } from '../import/checked-jobs.ts'
import type { ComparableSource, Comparison } from '../import/compare.ts'
import type {
  CutOverContext,
  ImportContext,
  ImportedRequest,
  ImportNote,
  ImportNotes,
  ImportSource,
} from '../import/import-source.ts'
import type { SourceOptions } from '../import/source-of.ts'
import { counted } from '../output/counted.ts'
import { text } from '../output/rendered.ts'
import { progressOf } from '../progress.ts'
import { shellWord } from '../shell-word.ts'
import { readInstant, readList, readText } from '../values.ts'

interface Options extends SourceOptions {
  readonly zone?: string
  readonly output?: string
  readonly requests?: string
  readonly cutOver?: string
  readonly compare?: true
}

/** Maximum size of a request's data, in bytes of JSON. */
const mostBytes = 131_072

function texts(flags: string, description: string): CommandOption {
  return { flags, description, parse: readText(flags.replace(/^.*(--[\w-]+).*$/, '$1')) }
}

/** `jobistemer import`. */
export const importJobs: Command = {
  description:
    'Reads the jobs of another system, and writes a file that plan and apply take. Names each thing that is not carried over or works differently. Never writes to the source. SOURCE is crontab, bullmq, pg-boss, or a module whose default export is a source, such as fromNodeCron([…]) or fromCroner([…]).',
  arguments: '<source> [file]',
  options: [
    texts(
      '--from <address>',
      'of BullMQ or pg-boss: redis://HOST:PORT/0, postgres://HOST/DB (env JOBISTEMER_IMPORT_FROM)',
    ),
    { flags: '--queue <names>', description: 'only these queues, by comma', parse: readList('--queue') },
    texts('--source-prefix <prefix>', 'the prefix of BullMQ (default: bull), the schema of pg-boss (default: pgboss)'),
    { flags: '--system', description: 'the crontab has a column with the user, as /etc/crontab and /etc/cron.d' },
    texts('--zone <name>', "the time zone of schedules that name none (default: the machine's)"),
    texts('-o, --output <file>', 'write the jobs to this file, .ts or .json'),
    texts('--cut-over <instant>', 'the jobs start at this instant; prints how to stop the source at it'),
    {
      flags: '--compare',
      description: 'compare the instants of the next year with those of the library of the source',
    },
    texts('--requests <file>', 'write the waiting jobs of a stopped source to this file, for trigger-many'),
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
      const notes: ImportNote[] = []
      const noting: ImportNotes = {
        leftOut: (origin, what) => notes.push({ origin, kind: 'left_out', text: what }),
        differs: (origin, what) => notes.push({ origin, kind: 'differs', text: what }),
      }
      for (const what of source.differences ?? []) noting.differs('all jobs', what)
      const read = await source.read(state, noting)
      const jobs = await checkJobs(read, state, noting)
      if (options.output !== undefined) await writeJobs(resolve(state.cwd, options.output), source, jobs, notes)
      const { cutOver } = state
      let requests: number | null = null
      if (options.requests !== undefined && cutOver !== null) {
        // The jobs that the import before the cut-over has accepted. Some of these jobs may have no further slot now.
        const stored = await checkJobs(read, { ...state, now: cutOver - 1 }, discarded)
        const file = resolve(state.cwd, options.requests)
        requests = await writeRequests(file, source, { ...state, cutOver }, noting, stored)
      }
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
  const timezone = zone === undefined ? Intl.DateTimeFormat().resolvedOptions().timeZone : readTimezone(zone, '--zone')
  const at = cutOver === undefined ? null : readInstant(cutOver, { field: '--cut-over', now: now(), isUtc }).getTime()
  const hasPassed = at !== null && at <= now()
  if (requests === undefined && hasPassed) {
    const remedy = 'Give a later instant. Store the jobs and start the stop command before it.'
    throw invalid('--cut-over', `--cut-over has passed: ${JSON.stringify(cutOver)}.`, remedy)
  }
  if (requests !== undefined && !hasPassed) {
    const remedy =
      'Give --cut-over INSTANT as for the jobs, and read the requests after it, when the source has stopped.'
    throw invalid('--requests', '--requests needs a cut-over that has passed.', remedy)
  }
  return { now: now(), cwd: io.cwd, timezone, cutOver: at, signal }
}

const discarded: ImportNotes = { leftOut: () => undefined, differs: () => undefined }

type Jobs = readonly CheckedJob[]
type Notes = readonly ImportNote[]

async function writeJobs(file: string, { name }: ImportSource, jobs: Jobs, notes: Notes): Promise<void> {
  const { jobsFile } = await import('../import/jobs-file.ts')
  const message = `--output is neither TypeScript nor JSON: ${JSON.stringify(file)}.`
  if (!/\.(ts|mts|json)$/.test(file)) throw invalid('--output', message, 'Give a name that ends with .ts or .json.')
  try {
    // `wx`: the write fails if the file exists. Otherwise the write would destroy changes that the user has made to the
    // file.
    writeFileSync(file, jobsFile(file, name, jobs, notes), { flag: 'wx' })
  } catch (cause) {
    const remedy = 'Give the name of a new file in a folder that exists.'
    throw invalid('--output', `The jobs cannot be written: ${(cause as Error).message}.`, remedy, cause)
  }
}

/**
 * Writes one request per line to a temporary file, and renames the file when it is complete. Returns the number of
 * requests.
 */
async function writeRequests(
  file: string,
  source: ImportSource,
  state: CutOverContext,
  notes: ImportNotes,
  jobs: Jobs,
): Promise<number> {
  if (source.requests === undefined)
    throw invalid('--requests', `${source.name} has no queue.`, 'Leave --requests out.')
  const part = `${file}.part`
  const output = await open(part, 'w').catch((cause: Error) => {
    const remedy = 'Give the name of a file in a folder that exists.'
    throw invalid('--requests', `The requests cannot be written: ${cause.message}.`, remedy, cause)
  })
  let count = 0
  try {
    for await (const request of source.requests(state, notes, jobs)) {
      state.signal.throwIfAborted()
      if (isTooLarge(request)) {
        const remedy = 'Store them elsewhere, and trigger the job with their address.'
        notes.leftOut(`${request.job}, job ${request.key}`, `Its data have more than ${mostBytes} bytes. ${remedy}`)
        continue
      }
      await output.write(`${JSON.stringify(request)}\n`)
      count += 1
    }
  } catch (error) {
    await output.close()
    await rm(part)
    throw error
  }
  await output.close()
  await rename(part, file)
  return count
}

function isTooLarge({ data }: ImportedRequest): boolean {
  return data !== undefined && Buffer.byteLength(JSON.stringify(data)) > mostBytes
}

type Comparisons = readonly Comparison[]

async function compareAll(
  context: Context,
  source: ImportSource,
  jobs: Jobs,
  state: ImportContext,
): Promise<Comparisons> {
  const { compareJob } = await import('../import/compare.ts')
  if (source.instantsAfter === undefined || source.rules === undefined) {
    throw invalid('--compare', `The source ${source.name} cannot compute instants.`, 'Leave --compare out.')
  }
  const scheduled = jobs.filter(({ schedule }) => schedule !== null)
  const progress = progressOf(context, { verb: 'Compared', total: scheduled.length })
  const comparisons: Comparison[] = []
  for (const job of scheduled) {
    state.signal.throwIfAborted()
    comparisons.push(await compareJob(source as ComparableSource, job, state))
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
    const listed = jobs.map(({ name, origin, schedule, handler }) => ({ name, origin, schedule, handler }))
    out.json({ source, output, jobs: listed, notes, comparisons, requests, stop })
    return
  }
  const { bold, red, yellow } = out.styles
  for (const { kind, origin, text: what } of notes) {
    out.line(text`${kind === 'left_out' ? red('left out') : yellow('differs ')}  ${bold(origin)}: ${what}`)
  }
  for (const { job, equal, until, differences } of comparisons ?? []) {
    out.line(text`${bold(job)}: ${counted(equal, 'equal instant')} until ${times.at(until)}`)
    for (const { side, count, first, last, rule } of differences) {
      const span = count === 1 ? times.at(first) : `${count} from ${times.at(first)} to ${times.at(last)}`
      const who = side === 'source' ? source : 'Jobistemer'
      out.line(text`  only ${who}  ${span}. ${rule ?? red('No rule explains this. Please report it.')}`)
    }
  }
  const leftOut = notes.filter(({ kind }) => kind === 'left_out').length
  const where = output === null ? '' : ` written to ${output}`
  out.line(text`${counted(jobs.length, 'job')} of ${source}${where}, ${leftOut} left out.`)
  if (requests !== null) {
    const file = shellWord(options.requests as string)
    out.line(text`${counted(requests, 'request')} written. Trigger them: jobistemer trigger-many ${file}`)
  } else if (cutOver !== null) {
    out.line('')
    out.line(text`The jobs start at ${times.at(new Date(cutOver))}. Apply them before, and stop ${source} at it.`)
    for (const line of stop) out.block(line, '')
  }
}
