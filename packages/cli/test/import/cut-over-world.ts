import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { type Client, createClient, createScheduler, type Scheduler, silentLogger } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect } from 'vitest'
import { runCli } from '../run-cli.ts'
import { type Started, startCli, startShell } from '../spawn-cli.ts'

/** A run in the source or in Jobistemer. `what` is `job@slot`, or `n` and the number of a queued job, such as `n12`. */
export interface Run {
  readonly by: 'source' | 'jobistemer'
  readonly what: string
}

/** The environment of a cut-over test: a source that runs jobs, and Jobistemer on a SQLite file. */
export interface CutOverWorld {
  readonly folder: string
  /** The runs of the source and of Jobistemer, in order of time. */
  readonly runs: Run[]
  readonly client: Client
  /** The arguments of `jobistemer import` that select the source, such as `bullmq`, `--from` and a URL. */
  readonly source: readonly string[]
  /** The folder of the user's project, from which the commands load the library of the source. */
  readonly project: string
}

/** The numbers of runs in a cut-over test, and the names of the runs that happened twice or are missing. */
export interface CutOverFigures {
  readonly slotsOfSource: number
  readonly slotsOfJobistemer: number
  /** Number of slots that the source skipped because the source's worker was late. */
  readonly leftOutBySource: number
  readonly jobsOfSource: number
  readonly jobsOfJobistemer: number
  readonly twice: readonly string[]
  readonly missing: readonly string[]
}

/**
 * Starts a Jobistemer node without code-defined jobs. Its handlers record each run. `log` receives its warnings and errors.
 */
export async function startNode(
  folder: string,
  runs: Run[],
  log: string[],
  handlers: readonly string[],
): Promise<Scheduler> {
  const storage = sqliteStorage({ file: join(folder, 'jobs.db') })
  // If the data of a run has a number, the recorded name is `n` and this number. Otherwise a run of a slot has the name
  // `job@slot`, and the name of a requested run is its id.
  const record = async ({ job, input, scheduledAt, occurrence }: RecordedContext): Promise<void> => {
    const n = input?.data?.n ?? input?.n
    const slot = occurrence.kind === 'slot' ? `${job.name}@${+scheduledAt}` : occurrence.id
    runs.push({ by: 'jobistemer', what: n === undefined ? slot : `n${n}` })
  }
  const noteLine = (fields: object, message: string): void =>
    void log.push(`${new Date().toISOString()} ${message} ${inspect(fields, { breakLength: Infinity })}`)
  const scheduler = createScheduler({
    storage,
    logger: { ...silentLogger, warn: noteLine, error: noteLine },
    maxConcurrentJobs: 100,
    handlers: Object.fromEntries(handlers.map((name) => [name, record as never])),
  })
  await scheduler.start()
  return scheduler
}

interface RecordedContext {
  readonly job: { readonly name: string }
  readonly input: { readonly n?: number; readonly data?: { readonly n?: number } } | undefined
  readonly scheduledAt: Date
  readonly occurrence: { readonly id: string; readonly kind: string }
}

/**
 * Returns the runs by name. A run that `trigger-many` requested for a slot is named after the slot. `slotOf` converts
 * the key of a request to its slot.
 */
export async function namedRuns(
  { client, runs }: CutOverWorld,
  slotOf: (key: string) => Promise<string>,
): Promise<readonly Run[]> {
  const names = new Map<string, string>()
  const recorded = new Set(runs.map(({ what }) => what))
  for (const { name } of (await client.jobs({ limit: 100 })).items) {
    for await (const { id, kind, requestKey } of client.occurrences({ job: name })) {
      if (kind === 'trigger' && recorded.has(id)) names.set(id, await slotOf(requestKey as string))
    }
  }
  return runs.map((run) => ({ ...run, what: names.get(run.what) ?? run.what }))
}

export function clientOf(folder: string): Client {
  return createClient({ storage: sqliteStorage({ file: join(folder, 'jobs.db') }), logger: silentLogger })
}

/**
 * Calls the CLI in this process, and returns its output.
 * @throws if the exit code is neither 0 nor 1
 */
async function call(cwd: string, ...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await runCli(argv, { now: null, cwd })
  expect(code, `${argv.join(' ')}\n${err}`).toBeLessThan(2)
  return out
}

/**
 * Imports the jobs to a file, and applies the file. Then starts a shell with the commands that `jobistemer import` has printed
 * for stopping the source. Returns the running shell.
 */
export async function prepare(
  { folder, source, project }: CutOverWorld,
  cutOver: number,
  env: Readonly<Record<string, string>>,
): Promise<Started> {
  const at = new Date(cutOver).toISOString()
  const out = await call(
    project,
    'import',
    ...source,
    '--cut-over',
    at,
    '--output',
    join(folder, 'jobs.json'),
    '--json',
  )
  const storage = `sqlite:${join(folder, 'jobs.db')}`
  await call(project, 'apply', join(folder, 'jobs.json'), '-s', storage, '--owner', 'moved', '--yes')
  return startShell((JSON.parse(out).stop as readonly string[]).join('\n'), { env, cwd: project })
}

/**
 * Returns a configuration module whose storage kills its own process after it has stored a half of the first requests. A signal
 * of the test could arrive after `trigger-many` has triggered all requests.
 */
function crashingStorage(file: string): string {
  return `import { sqliteStorage } from '${import.meta.resolve('@jobistemer/storage-sqlite')}'
const storage = sqliteStorage({ file: ${JSON.stringify(file)} })
const create = storage.createOccurrences.bind(storage)
const createOccurrences = async (asked) => {
  await create({ ...asked, items: asked.items.slice(0, Math.ceil(asked.items.length / 2)) })
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => undefined)
}
export default { storage: Object.assign(storage, { createOccurrences }) }`
}

/**
 * Imports the waiting requests to a file and triggers them. With `crashes`, the importer is killed while it writes the file,
 * `trigger-many` is killed while it triggers requests, and then the function repeats both commands.
 */
export async function handOver(
  world: CutOverWorld,
  cutOver: number,
  crashes: boolean,
): Promise<{ created: number; existed: number }> {
  const { folder, source, project } = world
  const file = join(folder, 'waiting.ndjson')
  const read = ['import', ...source, '--cut-over', new Date(cutOver).toISOString(), '--requests', file, '--json']
  const trigger = ['trigger-many', file, '-s', `sqlite:${join(folder, 'jobs.db')}`, '--json']
  if (crashes) {
    const importer = startCli(read, {}, project)
    while (!existsSync(`${file}.part`) && !existsSync(file)) await sleep(2)
    importer.child.kill('SIGKILL')
    await importer.ended
  }
  await call(project, ...read)
  const total = (await readFile(file, 'utf8')).trim().split('\n').length
  if (crashes) {
    const config = join(folder, 'crashing.mjs')
    await writeFile(config, crashingStorage(join(folder, 'jobs.db')))
    expect(await startCli(['trigger-many', file, '-c', config], {}, project).ended).toMatchObject({
      code: null,
      out: '',
    })
  }
  const { created, existed, skipped, failed } = JSON.parse(await call(project, ...trigger))
  expect({ skipped, failed }).toEqual({ skipped: 0, failed: [] })
  expect(created + existed).toBe(total)
  return { created, existed }
}

/**
 * Resolves when the client's storage has no waiting run, and all slots up to `end` have a run. An overloaded node launches its
 * slots some seconds late.
 */
export async function drained(client: Client, end: number): Promise<void> {
  for (;;) {
    const { items } = await client.jobs({ limit: 100, include: ['counts'] })
    const isLaunched = items.every(({ nextAt }) => nextAt === null || Number(nextAt) > end)
    if (isLaunched && items.every(({ counts }) => (counts?.pending ?? 0) + (counts?.queued ?? 0) === 0)) return
    await sleep(50)
  }
}

/** The runs that a cut-over must produce. */
export interface Expected {
  /** The slots of each job up to the end of the test, in order. */
  readonly slots: ReadonlyMap<string, readonly number[]>
  /**
   * For each job, the next slot of the source at the moment at which the source stopped. If an earlier slot has no run, the
   * source skipped the slot.
   */
  readonly decided: ReadonlyMap<string, number>
  /** Number of queued jobs. Each has a number as its data. */
  readonly numbers: number
}

/** Compares the runs of the source and of Jobistemer with the expected runs. */
export function figuresOf(runs: readonly Run[], { slots, decided, numbers }: Expected): CutOverFigures {
  const counts = new Map<string, number>()
  for (const { what } of runs) counts.set(what, (counts.get(what) ?? 0) + 1)
  const missing: string[] = []
  let leftOutBySource = 0
  for (const [job, instants] of slots) {
    for (const at of instants) {
      if (counts.has(`${job}@${at}`)) continue
      if (at < (decided.get(job) ?? 0)) leftOutBySource += 1
      else missing.push(`${job}@${at}`)
    }
  }
  for (let n = 0; n < numbers; n += 1) if (!counts.has(`n${n}`)) missing.push(`n${n}`)
  const of = (by: Run['by'], isSlot: boolean): number =>
    runs.filter((run) => run.by === by && run.what.includes('@') === isSlot).length
  return {
    slotsOfSource: of('source', true),
    slotsOfJobistemer: of('jobistemer', true),
    leftOutBySource,
    jobsOfSource: of('source', false),
    jobsOfJobistemer: of('jobistemer', false),
    twice: [...counts].filter(([, count]) => count > 1).map(([what]) => what),
    missing,
  }
}
