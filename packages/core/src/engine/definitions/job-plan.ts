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

/** A task with its code and its effective settings. */
export interface TaskPlan {
  readonly name: string
  readonly data: unknown
  readonly run: (context: never) => unknown
  /** Decides whether to retry after an error. `undefined`: retry after each error. */
  readonly retryIf: JobTask['retryIf']
  /** The work that runs in a child. `null`: the handler runs on the node itself. */
  readonly isolated: IsolatedWork | null
  readonly settings: TaskSettings
  /** The task's own failure strategy is `continue`: a failure of another task neither skips nor aborts it. */
  readonly alwaysRuns: boolean
}

/** A version of a job with its code and its effective settings. */
export interface JobPlan {
  readonly version: number
  readonly settings: JobSettings
  readonly tasks: readonly TaskPlan[]
}

/** Handlers of this node, by name. */
export type Handlers = ReadonlyMap<string, TaskHandler>

/** Returns the plan of a stored definition. `null`: this node lacks code for a task, or the definition is unreadable. */
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

/** Returns the plan of a local definition that is stored as `version`. `null`: this node lacks a named handler. */
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

/** Returns the plan with the overrides and the selected tasks of one request. */
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
