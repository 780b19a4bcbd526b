import type { JobOverrides, JobSettingsInput, RetryPolicyInCode, TaskOverrides } from '../configuration/settings.ts'
import { jobSettingNames, readJobSettings, readTaskSettings, taskSettingNames } from '../configuration/read-settings.ts'
import {
  isPlainObject,
  readDescription,
  readName,
  readObject,
  readOptionalFunction,
  readTags,
} from '../configuration/read-value.ts'
import { invalidValue, type JobistemerError, printValue } from '../errors.ts'
import { type JobId, jobId } from '../ids.ts'
import { type Jsonify, type JsonValue, toJsonValue } from '../json.ts'
import type { ExecutionReport } from '../report.ts'
import { noSchedule } from '../schedule/no-schedule.ts'
import type { Schedule, UnboundSchedule } from '../schedule/schedule.ts'
import type { StandardSchema } from '../standard-schema.ts'
import { isolatedWorkOf, isolationOptionNames, readIsolatedWork, standInFor } from './isolated-work.ts'
import { refuseBoundsOf } from './overlap-bounds.ts'
import { type PayloadSchema, readPayloadSchema } from './payload.ts'
import type { Isolation, IsolationOptions, OccurrenceContext, TaskDefinition } from './task.ts'

/** A task whose data and result may have any types. */
export interface AnyTask extends Omit<TaskDefinition, 'run'> {
  /** The handler. A task has exactly one of `run`, `handler` and `module`. */
  run?(context: never): unknown
}

/** Options of {@link defineJob}. */
export interface JobOptions extends JobSettingsInput {
  /** Name of the job, unique on its storage; 1 to 255 characters. The job's id derives from the name. */
  readonly name: string
  /**
   * When the job runs. Without a schedule, the job runs only on triggers and replays. If the schedule names no time zone, the
   * job's time zone applies. In a cron expression, `H` stands for a number that derives from the job's name. `defineJob`
   * rejects an explicit `undefined`.
   */
  readonly schedule?: Schedule
  /** How failed tasks are retried. Default: no retry. A task's own policy replaces the job's policy completely. */
  readonly retryPolicy?: RetryPolicyInCode
  /** The tasks of the job, at least one. With `taskExecutionMode: 'sequential'` the tasks run in this order. */
  readonly tasks: readonly AnyTask[]
  /**
   * Tag of the code that declares the job. By this tag, `plan` and `apply` find definitions that were removed from that code.
   */
  readonly owner?: string
  /** Tags to select jobs by: at most 32, each of 1 to 64 characters, without repetition. */
  readonly tags?: readonly string[]
  /** What the job is for, for human readers: 1 to 1,000 characters. */
  readonly description?: string
  /**
   * Schema of the data of `trigger` and `replay`: a Standard Schema, as zod, valibot and arktype make. The storage keeps the
   * schema's output as JSON, and tasks get the output as `context.input`. A process with the job's code rejects invalid data
   * with `INVALID_PAYLOAD`. For requests of other processes, the node that runs the job checks the data before the first task.
   * Slots have no data, so nodes do not check them.
   */
  readonly payload?: StandardSchema<unknown, unknown>
  /** The node calls this hook before the first task of an occurrence, and logs errors of the hook. */
  onStart?(context: OccurrenceContext): void | Promise<void>
  /** The node calls this hook when an occurrence has ended on that node, with any outcome. The node logs errors of the hook. */
  onComplete?(report: ExecutionReport): void | Promise<void>
}

/** A task of a {@link Job}: its checked definition, with durations in milliseconds. */
export interface JobTask {
  readonly name: string
  /** The settings in the task's own definition, after their check. Durations are in milliseconds. */
  readonly settings: TaskOverrides
  /** The data of the task, as the handler gets them; absent without data. */
  readonly data?: JsonValue
  /**
   * The handler; `undefined` if the task names a registered `handler`. For an isolated task, a child runs the handler. `run` is
   * then a function that only holds the task's options, and throws if called.
   */
  readonly run: ((context: never) => unknown) | undefined
  /** Returns whether to retry an error. `undefined`: each error is retried. The storage does not keep this function. */
  readonly retryIf: RetryPolicyInCode['retryIf']
  /** The name of the registered handler; absent if the task was defined with `run` or `module`. */
  readonly handler?: string
  /**
   * Whether the handler runs in a separate thread or in a separate process; absent if it runs in neither. Absent also for a
   * named `handler`: each node decides whether to isolate that handler. The definition omits the path of the module, which
   * each node has in its own code.
   */
  readonly isolation?: Isolation
}

/**
 * The checked definition of a job, as {@link defineJob} returns it. `Input` is the type that the job's payload schema
 * accepts.
 */
export interface Job<Input = unknown> {
  readonly id: JobId
  readonly name: string
  /** Tag of the code that declares the job; `null` without a tag. */
  readonly owner: string | null
  /** The tags of the job, in the order of its definition. */
  readonly tags: readonly string[]
  /** What the job is for, for people; `null` without a description. */
  readonly description: string | null
  /**
   * The schedule, bound to the job's name and time zone. A job without a schedule has a schedule that never fires and
   * describes itself as `on request`.
   */
  readonly schedule: Schedule
  /**
   * The schedule as given, before `defineJob` bound it to the job's name. The scheduler binds this schedule again, with the
   * scheduler's default time zone. Until then, the job's `schedule` applies in `UTC`. `null` if the schedule or the job names a
   * time zone, or if the schedule needs no binding.
   */
  readonly unbound: UnboundSchedule | null
  /** The settings in the job's own definition, after their check. Durations are in milliseconds. */
  readonly settings: JobOverrides
  /** The tasks of the job, in the order of its definition. */
  readonly tasks: readonly JobTask[]
  /** The schema that checks the data of triggers and replays; `null` without a schema. */
  readonly payload: StandardSchema<Input, unknown> | null
  /** The hook that the node calls before the first task of an occurrence. */
  readonly onStart: JobOptions['onStart']
  /** The hook that the node calls with the report of a finished occurrence. */
  readonly onComplete: JobOptions['onComplete']
}

/** The type of a job's list of tasks. `Datas` has the type of each task's `data`, in the order of the list. */
export type TaskList<Datas extends readonly unknown[], Input = JsonValue | undefined> = {
  readonly [K in keyof Datas]: TaskDefinition<Datas[K], unknown, Input>
}

/**
 * The type of `context.input` for the tasks of a job. With a payload schema: the schema's output as JSON. If the job also has a
 * schedule, the type includes `undefined`, because slots have no data. Without a payload schema: any JSON value or `undefined`.
 */
export type TaskInput<Payload, Planned> =
  Payload extends StandardSchema<infer _, infer Output>
    ? Jsonify<Output> | (Planned extends Schedule ? undefined : never)
    : JsonValue | undefined

/** The type of data that `trigger` accepts for a job. */
export type PayloadInput<Payload> = Payload extends StandardSchema<infer Input, infer _> ? Input : unknown

const noOverrides: JobOverrides = Object.freeze({})
const noTags: readonly string[] = Object.freeze([])
const jobOptionNames = [
  ...jobSettingNames,
  'name',
  'schedule',
  'tasks',
  'owner',
  'tags',
  'description',
  'payload',
  'onStart',
  'onComplete',
]
const taskOptionNames = [...taskSettingNames, 'name', 'data', 'run', 'handler', ...isolationOptionNames]

/**
 * Defines a job. The job runs once it is passed to a scheduler.
 *
 * @example
 * const job = defineJob({
 *   name: 'nightly-report',
 *   schedule: cron('0 2 * * *', { timezone: 'Europe/Berlin' }),
 *   tasks: [{ name: 'export', run: async (context) => writeReport(context.scheduledAt) }],
 *   retryPolicy: { maxRetries: 3, retryInterval: { seconds: 10 }, backoffFactor: 2 },
 * })
 *
 * @throws JobistemerError naming the field: `INVALID_NAME`, `INVALID_DURATION`, `INVALID_TIMEZONE`, `INVALID_ARGUMENT`,
 * `UNKNOWN_OPTION`, `DUPLICATE_TASK`, `INVALID_SCHEDULE`.
 */
export function defineJob<
  const Datas extends readonly unknown[],
  Payload extends StandardSchema<unknown, unknown> | undefined = undefined,
  Planned extends Schedule | undefined = undefined,
>(
  options: Omit<JobOptions, 'tasks' | 'payload' | 'schedule'> & {
    readonly schedule?: Planned
    readonly payload?: Payload
    readonly tasks: TaskList<Datas, TaskInput<Payload, Planned>>
  },
): Job<PayloadInput<Payload>> {
  readObject(options, '', jobOptionNames)
  const name = readName(options.name, 'name')
  const { settings, retryIf } = withoutRetryIf(options, '')
  const overrides = readJobSettings(settings)
  // Reject `maxConcurrency` above 1 and `startRate` under `allow` and `cancel_running`. These overlap policies have no such
  // limits. The scheduler checks the job again together with the scheduler's defaults.
  refuseBoundsOf(name, overrides)
  const { schedule, payload } = options as JobOptions
  if (schedule === undefined && 'schedule' in options) {
    const remedy =
      'Leave schedule out for a job that runs on request alone, or give what cron(), iso8601() or once() makes.'
    throw invalidValue('schedule', `of job ${printValue(name)} is not a schedule`, schedule, remedy, 'INVALID_SCHEDULE')
  }
  return {
    id: jobId(name),
    name,
    owner: options.owner === undefined ? null : readName(options.owner, 'owner'),
    tags: options.tags === undefined ? noTags : readTags(options.tags, 'tags'),
    description: options.description === undefined ? null : readDescription(options.description, 'description'),
    schedule: schedule === undefined ? noSchedule : readSchedule(schedule, name, overrides.timezone),
    unbound: schedule !== undefined && overrides.timezone === undefined && isUnbound(schedule) ? schedule : null,
    settings: Object.keys(overrides).length === 0 ? noOverrides : overrides,
    tasks: readTasks(options.tasks, [], retryIf),
    payload: payload === undefined ? null : (readPayloadSchema(payload, 'payload') as PayloadSchema<never>),
    onStart: readOptionalFunction(options.onStart, 'onStart'),
    onComplete: readOptionalFunction(options.onComplete, 'onComplete'),
  }
}

/** Checks a schedule. Binds an unbound schedule to the job's name and time zone. */
export function readSchedule(schedule: Schedule, jobName: string, timezone: string | undefined): Schedule {
  assertSchedule(schedule)
  const bound = isUnbound(schedule)
    ? schedule.bind(timezone === undefined ? { jobName } : { jobName, timezone })
    : schedule
  assertSerializable(bound, jobName)
  return bound
}

/** @throws JobistemerError `INVALID_SCHEDULE` */
export function assertSchedule(schedule: Schedule): void {
  if (typeof schedule === 'object' && typeof schedule?.nextMs === 'function') return
  throw invalidValue(
    'schedule',
    'is not a schedule',
    schedule,
    'Give what cron(), iso8601(), once() or your own Schedule makes.',
    'INVALID_SCHEDULE',
  )
}

/** @throws JobistemerError `INVALID_SCHEDULE` */
function assertSerializable(schedule: Schedule, jobName: string): void {
  let cause: unknown
  try {
    const data = schedule.toJSON()
    if (isPlainObject(data) && JSON.stringify(data) && typeof schedule.type.revive === 'function') return
  } catch (error) {
    cause = error
  }
  const what = `of job ${printValue(jobName)} has no type, or a toJSON() that throws or returns no plain JSON object`
  const remedy = 'Give it a type with revive(), and let toJSON() return the name of the type and the options.'
  throw invalidValue('schedule', what, schedule, remedy, 'INVALID_SCHEDULE', cause)
}

function isUnbound(schedule: Schedule): schedule is UnboundSchedule {
  return 'bind' in schedule
}

/**
 * Returns the job with its schedule in the scheduler's default time zone. If the schedule or the job names a time zone, returns
 * the job unchanged.
 */
export function withDefaultTimezone(job: Job, timezone: string | undefined): Job {
  if (timezone === undefined || job.unbound === null) return job
  return { ...job, schedule: job.unbound.bind({ jobName: job.name, timezone }), unbound: null }
}

/**
 * Returns the settings without the `retryIf` of their retry policy, and this `retryIf` separately. The storage keeps settings
 * as data, and cannot keep a function.
 */
function withoutRetryIf<Settings extends { readonly retryPolicy?: RetryPolicyInCode }>(
  settings: Settings,
  path: string,
) {
  const { retryPolicy } = settings
  if (typeof retryPolicy !== 'object' || retryPolicy === null || !('retryIf' in retryPolicy)) return { settings }
  const { retryIf, ...others } = retryPolicy
  readOptionalFunction(retryIf, `${path}retryPolicy.retryIf`)
  return { settings: { ...settings, retryPolicy: others }, retryIf }
}

/**
 * Checks a list of tasks.
 * - `known`: tasks that the job already has. If a task omits `run` and `handler`, the task keeps the function or the handler
 *   name of the known task of the same name.
 * - `retryIf`: the function of the job's retry policy. It applies to tasks without their own retry policy.
 */
export function readTasks(
  tasks: readonly AnyTask[],
  known: readonly JobTask[] = [],
  retryIf: RetryPolicyInCode['retryIf'] = undefined,
): readonly JobTask[] {
  if (!Array.isArray(tasks) || tasks.length === 0) {
    throw invalidValue('tasks', 'is not a list of tasks', tasks, 'Give at least one task: { name, run }.')
  }
  const names = new Set<string>()
  // `Array.from` also visits the holes of a list, and `map` does not.
  return Array.from(tasks, (task: AnyTask, index) => {
    const path = `tasks[${index}]`
    readObject(task, path, taskOptionNames)
    const name = readName(task.name, `${path}.name`)
    if (names.has(name)) {
      throw invalidValue(
        `${path}.name`,
        'is the name of an earlier task',
        name,
        'Give each task of a job a name of its own.',
        'DUPLICATE_TASK',
      )
    }
    names.add(name)
    const { settings, retryIf: own } = withoutRetryIf(task, `${path}.`)
    const overrides = readTaskSettings(settings, `${path}.`)
    const before = known.find((one) => one.name === name)
    const work = readWork(task, path, before)
    const given = task.retryPolicy === undefined ? retryIf : own
    if (given !== undefined && task.run === undefined && task.module === undefined) {
      throw retryIfWithoutCode(given, name, own === undefined ? '' : `${path}.`)
    }
    return {
      ...work,
      name,
      settings: Object.keys(overrides).length === 0 ? noOverrides : overrides,
      ...(task.data !== undefined && { data: toJsonValue(task.data, `${path}.data`) }),
      // A task may keep the function of its known task and give no `retryIf`. Such a task also keeps the `retryIf` of the known
      // task.
      retryIf: given ?? (work.run !== undefined && work.run === before?.run ? before.retryIf : undefined),
    }
  })
}

function retryIfWithoutCode(retryIf: unknown, taskName: string, path: string): JobistemerError {
  const field = `${path}retryPolicy.retryIf`
  const what = `cannot hold for task ${printValue(taskName)}, which has neither run nor module`
  const remedy =
    'Other nodes run a handler by its name, without this function. Throw a NonRetryableError in the handler.'
  return invalidValue(field, what, retryIf, remedy)
}

function readWork(
  task: AnyTask,
  path: string,
  known: JobTask | undefined,
): Omit<JobTask, 'name' | 'settings' | 'retryIf'> {
  const { run, handler, module } = task
  const [first, second] = (['run', 'handler', 'module'] as const).filter((name) => task[name] !== undefined)
  if (second !== undefined) {
    throw invalidValue(`${path}.${second}`, `comes beside ${path}.${first}`, task[second], workRemedy)
  }
  if (module !== undefined) {
    const work = readIsolatedWork(task as IsolationOptions, `${path}.`)
    return { run: standInFor(work), isolation: work.isolation }
  }
  const stray = isolationOptionNames.find((name) => task[name as keyof AnyTask] !== undefined)
  if (stray !== undefined) {
    throw invalidValue(`${path}.${stray}`, 'comes without a module', task[stray as keyof AnyTask], workRemedy)
  }
  if (handler !== undefined) return { run: undefined, handler: readName(handler, `${path}.handler`) }
  if (typeof run === 'function') {
    const isolation = isolatedWorkOf(run)?.isolation
    return { run, ...(isolation !== undefined && { isolation }) }
  }
  if (run === undefined && known !== undefined) {
    const { data: _, ...work } = known
    return work
  }
  throw invalidValue(`${path}.run`, 'is not a function', run, workRemedy)
}

const workRemedy =
  'Give either run, the function that does the work, or handler, the name of a registered one, or module, the URL of its file.'
