import { readObject } from '../configuration/read-value.ts'
import type { DurationInput } from '../duration.ts'
import { Engine } from '../engine/engine.ts'
import type { RunOverrides, TriggerOptions } from '../engine/api/request-options.ts'
import { invalidValue } from '../errors.ts'
import type { OccurrenceId } from '../ids.ts'
import { type InstantInput, toInstantMs } from '../instant.ts'
import type { Job } from '../job/define-job.ts'
import { readJob } from '../job/read-jobs.ts'
import type { TaskHandler } from '../job/task.ts'
import { type JsonObject, toJsonValue } from '../json.ts'
import { type Logger, silentLogger } from '../logger.ts'
import type { ExecutionReport, TaskReport } from '../report.ts'
import { noSchedule } from '../schedule/no-schedule.ts'
import { readSchedulerOptions } from '../scheduler-options.ts'
import type { Storage } from '../storage/storage.ts'
import { systemClock } from '../system-clock.ts'
import { virtualClock } from './virtual-clock.ts'

/** Options of {@link runTask}, which runs one task in a test. */
export interface RunTaskOptions {
  /** An empty storage for the run, such as a new `memoryStorage()`. `runTask` and `runJob` do not close the storage. */
  readonly storage: Storage
  /** Start of the run on the run's virtual clock. Default: the present time. */
  readonly now?: InstantInput
  /** Data of the run, which tasks get as `context.input`. Default: none. */
  readonly data?: unknown
  /** Results of tasks that do not run, by the tasks' names, for `context.result`. Default: none. */
  readonly results?: Readonly<Record<string, unknown>>
  /** Settings of this run, which replace the settings of the job and of its tasks. */
  readonly overrides?: RunOverrides
  /** Handlers of tasks that name a `handler`. Default: none. */
  readonly handlers?: Readonly<Record<string, TaskHandler>>
  /** Logger of the run. Default: no log, because the report contains the errors. */
  readonly logger?: Logger
  /**
   * How long, in real time, the run's virtual clock waits for a handler or a hook that shows no activity. See `patience` of
   * `VirtualClockOptions`. Default 100 ms.
   */
  readonly patience?: DurationInput
}

/** Options of {@link runJob}, which runs a job in a test. */
export interface RunJobOptions extends RunTaskOptions {
  /** Names of the tasks to run. Default: all tasks of the job. */
  readonly tasks?: readonly string[]
}

const optionNames = ['storage', 'now', 'data', 'results', 'overrides', 'handlers', 'logger', 'patience']

/**
 * Runs a job once in a test, and returns its report. The engine runs the job as after a trigger, with retries, timeouts and
 * hooks, on a virtual clock that moves by itself. The job's schedule has no effect.
 *
 * @example
 * const report = await runJob(job, { storage: memoryStorage(), data: { day: '2026-01-31' } })
 * report.outcome // => 'completed'
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`, `INVALID_INSTANT`, `INVALID_DURATION`, `TASK_NOT_FOUND` for a
 *   bad option; `JOB_NOT_FOUND` if `handlers` lacks a handler of the job
 */
export async function runJob(job: Job, options: RunJobOptions): Promise<ExecutionReport> {
  readJob(job, 'job')
  const {
    data,
    tasks,
    overrides,
    results,
    patience,
    now = systemClock.now(),
  } = readObject(options, 'options', [...optionNames, 'tasks'])
  const clock = virtualClock(toInstantMs(now, 'now'), patience === undefined ? {} : { patience })
  const engine = Engine.make(
    readSchedulerOptions({
      storage: options.storage,
      // If the job sets no overlap policy, use `skip`. The storage may already hold an active run of the job. Under `skip`, the
      // trigger is then skipped at once. Under `queue`, the trigger would wait for that run.
      jobs: [{ ...job, schedule: noSchedule, unbound: null, settings: { overlapPolicy: 'skip', ...job.settings } }],
      clock,
      logger: options.logger ?? silentLogger,
      ...(options.handlers !== undefined && { handlers: options.handlers }),
    }),
  )
  const request = {
    ...(data !== undefined && { data }),
    ...(tasks !== undefined && { tasks }),
    ...(overrides !== undefined && { overrides }),
  }
  const running = runOnce(engine, job, request, results === undefined ? undefined : readResults(job, results))
  clock.passUntil?.(running)
  return running
}

/**
 * Runs one task of a job in a test, and returns its report: the attempts, and the result or the error. `results` supplies the
 * results of earlier tasks. Otherwise `runTask` works like {@link runJob}.
 *
 * @example
 * const mail = await runTask(job, 'mail', { storage: memoryStorage(), results: { count: { rows: 3 } } })
 * mail.result // => '3 rows'
 *
 * @throws JobistemerError the errors of {@link runJob}
 */
export async function runTask(job: Job, task: string, options: RunTaskOptions): Promise<TaskReport> {
  readObject(options, 'options', optionNames)
  const report = await runJob(job, { ...options, tasks: [task] })
  return report.tasks[0] as TaskReport
}

async function runOnce(
  engine: Engine,
  { name }: Job,
  request: TriggerOptions,
  results: JsonObject | undefined,
): Promise<ExecutionReport> {
  const reports = new Map<OccurrenceId, ExecutionReport>()
  engine.events.on('occurrence.finished', ({ report }) => reports.set(report.occurrence.id, report))
  try {
    await engine.start()
    const { id, state } = await engine.operations.request(name, request, results)
    if (state !== 'running' && state !== 'pending') {
      const remedy = 'Give a storage that holds no other run of the job, such as a new memoryStorage().'
      throw invalidValue('options.storage', 'runs the job already, so the new run is not started', state, remedy)
    }
    // The run may have ended before its request was answered.
    return (
      reports.get(id) ??
      (await new Promise<ExecutionReport>((resolve) => {
        engine.events.on('occurrence.finished', ({ report }) => report.occurrence.id === id && resolve(report))
      }))
    )
  } finally {
    await engine.shutdown()
  }
}

function readResults(job: Job, results: Readonly<Record<string, unknown>>): JsonObject {
  const names = job.tasks.map((task) => task.name)
  const read = Object.entries(readObject(results, 'results', names))
  return Object.fromEntries(read.map(([name, result]) => [name, toJsonValue(result, `results.${name}`)]))
}
