import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { orDefault, readBoolean, readChoice, readNumber, readObject, readRecord } from '../configuration/read-value.ts'
import { toDurationMs } from '../duration.ts'
import { invalidValue } from '../errors.ts'
import type { IsolatedResourceLimits, Isolation, IsolationOptions, TaskHandler } from './task.ts'

/** The options of an isolated task after {@link readIsolatedWork} has checked them, with all defaults filled in. */
export interface IsolatedWork {
  /** The module of the handler, as a `file:` URL. */
  readonly module: string
  readonly isolation: Isolation
  readonly pool: boolean
  readonly resourceLimits: IsolatedResourceLimits
  readonly env: Readonly<Record<string, string>> | null
  readonly killAfterMs: number
}

export const isolationOptionNames: readonly string[] = [
  'module',
  'isolation',
  'pool',
  'resourceLimits',
  'env',
  'killAfter',
]

const limitNames = ['maxOldGenerationSizeMb', 'maxYoungGenerationSizeMb', 'codeRangeSizeMb', 'stackSizeMb'] as const
const threadLimits: readonly string[] = ['codeRangeSizeMb', 'stackSizeMb']

const works = new WeakMap<object, IsolatedWork>()

/** Returns the checked options of a handler that {@link isolatedHandler} has made; `null` for any other function. */
export function isolatedWorkOf(run: (context: never) => unknown): IsolatedWork | null {
  return works.get(run) ?? null
}

/**
 * Makes a handler that runs in a separate thread or process, for `createScheduler({ handlers })`.
 *
 * @example
 * const render = isolatedHandler({ module: new URL('./render.js', import.meta.url), isolation: 'process' })
 * const scheduler = createScheduler({ storage, handlers: { render } })
 *
 * @throws JobistemerError `INVALID_MODULE`, `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION`
 */
export function isolatedHandler(options: IsolationOptions): TaskHandler {
  readObject(options, '', isolationOptionNames)
  return standInFor(readIsolatedWork(options, ''))
}

/**
 * Makes the function that represents an isolated task inside the node. Only a scheduler can run the task: a call of the
 * function throws.
 */
export function standInFor(work: IsolatedWork): TaskHandler {
  const standIn: TaskHandler = () => {
    const remedy = 'Only a scheduler can run it. To test it, import the module and call its default export.'
    throw invalidValue('run', 'of an isolated task was called', work.module, remedy)
  }
  works.set(standIn, work)
  return standIn
}

/**
 * Checks the options of an isolated task, and returns them with all defaults filled in. `path` is the text that messages put
 * before the name of a field, for example `tasks[0].`.
 */
export function readIsolatedWork(options: IsolationOptions, path: string): IsolatedWork {
  const isolation = readChoice<Isolation>(
    orDefault(options.isolation, 'thread'),
    ['thread', 'process'],
    `${path}isolation`,
  )
  return {
    module: readModule(options.module, `${path}module`),
    isolation,
    pool: readBoolean(orDefault(options.pool, false), `${path}pool`),
    resourceLimits: readLimits(orDefault(options.resourceLimits, {}), isolation, `${path}resourceLimits`),
    env: options.env === undefined ? null : readEnv(options.env, `${path}env`),
    killAfterMs: toDurationMs(orDefault(options.killAfter, 5000), `${path}killAfter`),
  }
}

function readModule(module: URL | string, field: string): string {
  const href = module instanceof URL ? module.href : module
  if (typeof href === 'string' && href.startsWith('file:') && URL.canParse(href)) return href
  const remedy = "Give new URL('./render.js', import.meta.url)."
  throw invalidValue(field, 'is not the URL of a file', module, remedy, 'INVALID_MODULE')
}

function readLimits(limits: IsolatedResourceLimits, isolation: Isolation, field: string): IsolatedResourceLimits {
  readObject(limits, field, limitNames)
  const checked: { -readonly [Name in keyof IsolatedResourceLimits]: number } = {}
  for (const name of limitNames) {
    const limit = limits[name]
    if (limit === undefined) continue
    checked[name] = readNumber(limit, `${field}.${name}`, 1, 1_048_576)
    if (isolation === 'thread' || !threadLimits.includes(name)) continue
    throw invalidValue(
      `${field}.${name}`,
      'is no limit of a process',
      limit,
      'Leave it out, or give isolation: "thread".',
    )
  }
  return checked
}

function readEnv(env: Readonly<Record<string, string>>, field: string): Readonly<Record<string, string>> {
  const checked: Record<string, string> = {}
  for (const [name, value] of Object.entries(readRecord(env, field))) {
    // Skip undefined values: with some tools, `{ ...process.env }` has members that are undefined.
    if (value === undefined) continue
    if (typeof value !== 'string') {
      throw invalidValue(`${field}.${name}`, 'is not a text', value, 'Environment variables are strings.')
    }
    checked[name] = value
  }
  return checked
}

/**
 * Checks that the modules of isolated handlers exist, without running them. Ignores other handlers.
 *
 * @throws JobistemerError `INVALID_MODULE`
 */
export function assertModulesExist(
  jobs: readonly { readonly tasks: readonly { readonly run: ((context: never) => unknown) | undefined }[] }[],
  handlers: Iterable<TaskHandler> = [],
): void {
  for (const run of [...handlers, ...jobs.flatMap(({ tasks }) => tasks.map((task) => task.run))]) {
    const work = run === undefined ? null : isolatedWorkOf(run)
    if (work === null) continue
    const path = fileURLToPath(work.module)
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) continue
    const remedy = 'When the code is bundled, bundle it as a file of its own.'
    throw invalidValue('module', 'of an isolated task is not a file', path, remedy, 'INVALID_MODULE')
  }
}
