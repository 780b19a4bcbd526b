import { resolveJobSettings, resolveTaskSettings } from '../configuration/resolve-settings.ts'
import type { JobOverrides, JobSettings, TaskOverrides, TaskSettings } from '../configuration/settings.ts'
import type { Job, JobTask } from '../job/define-job.ts'
import type { JsonObject, JsonValue } from '../json.ts'

/** One task, ready to run. */
export interface TaskPlan {
  readonly name: string
  readonly data: unknown
  readonly run: (context: never) => unknown
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

/** A definition as it is stored with each version of a job. */
export interface JobDocument {
  /** What the scheduler overrides, of the node that saved the version. */
  readonly defaults: JobOverrides
  readonly settings: JobOverrides
  readonly tasks: readonly {
    readonly name: string
    readonly settings: TaskOverrides
    readonly data?: JsonValue
  }[]
}

export function toJobDocument(job: Job, defaults: JobOverrides): JobDocument {
  return {
    defaults,
    settings: job.overrides,
    tasks: job.tasks.map(({ name, overrides, data }) =>
      data === undefined ? { name, settings: overrides } : { name, settings: overrides, data: data as JsonValue },
    ),
  }
}

/** A plan from a stored definition; `null` when this node has no handler for one of its tasks. */
export function planFromDocument(stored: JsonObject, version: number, handlers: readonly JobTask[]): JobPlan | null {
  const document = stored as unknown as JobDocument
  const settings = resolveJobSettings(document.defaults, document.settings)
  const tasks: TaskPlan[] = []
  for (const task of document.tasks) {
    const handler = handlers.find((candidate) => candidate.name === task.name)
    if (handler === undefined) return null
    tasks.push(toTaskPlan(settings, { ...task, run: handler.run, data: task.data }))
  }
  return { version, settings, tasks }
}

/** The plan of a local definition, in whatever version it is stored. */
export function planFromJob(job: Job, defaults: JobOverrides, version: number): JobPlan {
  const settings = resolveJobSettings(defaults, job.overrides)
  return {
    version,
    settings,
    tasks: job.tasks.map((task) => toTaskPlan(settings, { ...task, settings: task.overrides })),
  }
}

function toTaskPlan(
  jobSettings: JobSettings,
  task: { name: string; data: unknown; run: (context: never) => unknown; settings: TaskOverrides },
): TaskPlan {
  return {
    name: task.name,
    data: task.data,
    run: task.run,
    settings: resolveTaskSettings(jobSettings, task.settings),
    alwaysRuns: task.settings.failureStrategy === 'continue',
  }
}

/** The plan with the overrides and the choice of tasks of one trigger on top. */
export function overridePlan(plan: JobPlan, overrides: JobOverrides, taskNames: readonly string[] | null): JobPlan {
  const { failureStrategy, retryPolicy, taskTimeoutMs } = overrides
  const taskLevel: TaskOverrides = {
    ...(failureStrategy !== undefined && { failureStrategy }),
    ...(retryPolicy !== undefined && { retryPolicy }),
    ...(taskTimeoutMs !== undefined && { taskTimeoutMs }),
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
