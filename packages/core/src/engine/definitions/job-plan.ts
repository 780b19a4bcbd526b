import type { JobOverrides, JobSettings, TaskOverrides, TaskSettings } from '../../configuration/settings.ts'
import { resolveJobSettings, resolveTaskSettings } from '../../configuration/read-settings.ts'
import type { Job, JobTask } from '../../job/define-job.ts'
import { type IsolatedWork, isolatedWorkOf } from '../../job/isolated-work.ts'
import { type JobDocument, settingsOf, tasksOf, toJobDocument } from '../../job/job-document.ts'
import type { TaskHandler } from '../../job/task.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'

/** A task in the plan by which a node runs a job: the code of the task, and its effective settings. */
export interface TaskPlan {
  readonly name: string
  readonly data: unknown
  readonly run: (context: never) => unknown
  /**
   * Decides after an error whether the task may be retried. `undefined`: the task has no such function, and its retry
   * policy decides.
   */
  readonly retryIf: JobTask['retryIf']
  /** The work of the task if it runs in a child. `null`: the handler runs on the node itself. */
  readonly isolated: IsolatedWork | null
  readonly settings: TaskSettings
  /** True if the failure strategy is `continue`: a failure of another task neither skips nor aborts this task. */
  readonly alwaysRuns: boolean
}

/** The plan by which a node runs one version of a job: the code of its tasks, and its effective settings. */
export interface JobPlan {
  readonly version: number
  readonly settings: JobSettings
  readonly tasks: readonly TaskPlan[]
}

/** The handlers of this node, by name. */
export type Handlers = ReadonlyMap<string, TaskHandler>

/**
 * Returns the plan by which this node runs a stored definition. `null`: this node lacks code for a task, or the definition is
 * unreadable.
 */
export function planFromDocument(
  document: JobDocument,
  version: number,
  own: { readonly tasks: readonly JobTask[]; readonly handlers: Handlers },
): JobPlan | null {
  if (document.isUnreadable === true) return null
  const settings = settingsOf(document)
  const tasks: TaskPlan[] = []
  for (const { name, data, handler, settings: overrides, retryIf, ...code } of tasksOf(document, own.tasks)) {
    const run = handler === undefined ? code.run : own.handlers.get(handler)
    if (run === undefined) return null
    tasks.push({
      name,
      data,
      run,
      retryIf,
      isolated: isolatedWorkOf(run),
      settings: resolveTaskSettings(settings, overrides),
      alwaysRuns: overrides.failureStrategy === 'continue',
    })
  }
  return { version, settings, tasks }
}

/**
 * Returns the plan by which this node runs its own definition, stored as `version`. `null`: this node lacks a handler that a
 * task names.
 */
export function planFromJob(job: Job, defaults: JobOverrides, version: number, handlers: Handlers): JobPlan | null {
  const document = { ...toJobDocument(job, defaults), schedule: job.schedule.toJSON() }
  return planFromDocument(document, version, { tasks: job.tasks, handlers })
}

/** Returns `plan` with the overrides and the selected tasks of one occurrence; `plan` itself if it has neither. */
export function overridePlan(plan: JobPlan, details: OccurrenceDetails): JobPlan {
  if (details.overrides === undefined && details.tasks === undefined) return plan
  const overrides: JobOverrides = details.overrides ?? {}
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
      .filter((task) => details.tasks?.includes(task.name) !== false)
      .map((task) => ({
        ...task,
        settings: resolveTaskSettings(settings, task.settings, taskLevel),
        alwaysRuns: task.alwaysRuns || failureStrategy === 'continue',
      })),
  }
}
