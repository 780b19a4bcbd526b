import {
  resolveJobSettings,
  resolveScheduledSettings,
  resolveTaskSettings,
} from '../../configuration/resolve-settings.ts'
import type { JobOverrides, JobSettings, TaskOverrides, TaskSettings } from '../../configuration/settings.ts'
import type { Job, JobTask } from '../../job/define-job.ts'
import { type IsolatedWork, isolatedWorkOf } from '../../job/isolated-work.ts'
import { type JobDocument, settingsOf } from '../../job/job-document.ts'
import type { TaskHandler } from '../../job/task.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'

/** One task, ready to run. */
export interface TaskPlan {
  readonly name: string
  readonly data: unknown
  readonly run: (context: never) => unknown
  /** Whether an error is retried; `undefined`: each is. */
  readonly retryIf: JobTask['retryIf']
  /** Its work runs in a child; `null`: here. */
  readonly isolated: IsolatedWork | null
  readonly settings: TaskSettings
  /** The task's own failure strategy is `continue`: it runs to its end whatever happens around it. */
  readonly alwaysRuns: boolean
}

/** One version of a job, ready to run on this node. */
export interface JobPlan {
  readonly version: number
  readonly settings: JobSettings
  readonly tasks: readonly TaskPlan[]
}

/** Handlers of this node, by name. */
export type Handlers = ReadonlyMap<string, TaskHandler>

/** A plan from a stored definition; `null` when this node has no handler for one of its tasks, or it is unreadable. */
export function planFromDocument(
  document: JobDocument,
  version: number,
  own: { readonly tasks: readonly JobTask[]; readonly handlers: Handlers },
): JobPlan | null {
  if (document.isUnreadable === true) return null
  const settings = settingsOf(document)
  const tasks: TaskPlan[] = []
  for (const task of document.tasks) {
    const code = task.handler === undefined ? own.tasks.find((candidate) => candidate.name === task.name) : undefined
    const run = task.handler === undefined ? code?.run : own.handlers.get(task.handler)
    if (run === undefined) return null
    tasks.push(toTaskPlan(settings, { ...task, run, retryIf: code?.retryIf, data: task.data }))
  }
  return { version, settings, tasks }
}

/** The plan of a local definition, in whatever version it is stored; `null` when a named handler is not here. */
export function planFromJob(job: Job, defaults: JobOverrides, version: number, handlers: Handlers): JobPlan | null {
  const isOnRequest = isNoSchedule(job.schedule.toJSON())
  const settings = resolveScheduledSettings({ isOnRequest }, defaults, job.overrides)
  const tasks: TaskPlan[] = []
  for (const task of job.tasks) {
    const run = task.run ?? handlers.get(task.handler ?? '')
    if (run === undefined) return null
    tasks.push(toTaskPlan(settings, { ...task, run, settings: task.overrides }))
  }
  return { version, settings, tasks }
}

function toTaskPlan(
  jobSettings: JobSettings,
  task: {
    name: string
    data: unknown
    run: (context: never) => unknown
    retryIf: JobTask['retryIf']
    settings: TaskOverrides
  },
): TaskPlan {
  return {
    name: task.name,
    data: task.data,
    run: task.run,
    retryIf: task.retryIf,
    isolated: isolatedWorkOf(task.run),
    settings: resolveTaskSettings(jobSettings, task.settings),
    alwaysRuns: task.settings.failureStrategy === 'continue',
  }
}

/** The plan with the overrides and the choice of tasks of one trigger on top. */
export function overridePlan(plan: JobPlan, overrides: JobOverrides, taskNames: readonly string[] | null): JobPlan {
  const { failureStrategy, retryPolicy, taskTimeoutMs, keepLogs } = overrides
  const taskLevel: TaskOverrides = {
    ...(failureStrategy !== undefined && { failureStrategy }),
    ...(retryPolicy !== undefined && { retryPolicy }),
    ...(taskTimeoutMs !== undefined && { taskTimeoutMs }),
    ...(keepLogs !== undefined && { keepLogs }),
  }
  const settings = resolveJobSettings(plan.settings, overrides)
  return {
    version: plan.version,
    settings,
    tasks: plan.tasks
      .filter((task) => taskNames === null || taskNames.includes(task.name))
      .map((task) => ({
        ...task,
        settings: resolveTaskSettings(settings, task.settings, taskLevel),
        alwaysRuns: task.alwaysRuns || failureStrategy === 'continue',
      })),
  }
}
