import { resolveScheduledSettings } from '../configuration/resolve-settings.ts'
import { defaultSettings, type JobOverrides, type JobSettings, type TaskOverrides } from '../configuration/settings.ts'
import type { JsonObject, JsonValue } from '../json.ts'
import { isNoSchedule } from '../schedule/no-schedule.ts'
import type { SerializedSchedule } from '../schedule/schedule.ts'
import { isDefinition } from '../storage/unreadable.ts'
import type { Job, JobTask } from './define-job.ts'
import type { Isolation } from './task.ts'

/** A definition as it is stored with each version of a job. */
export interface JobDocument {
  /** What the scheduler overrides, of the node that saved the version. */
  readonly defaults: JobOverrides
  readonly settings: JobOverrides
  readonly tasks: readonly TaskDocument[]
  /** Left out where there are none. */
  readonly tags?: readonly string[]
  readonly description?: string
  /** Left out where the job has no owner tag. */
  readonly owner?: string
  /** As it was asked for: from when on it holds, the timeline says. */
  readonly schedule?: SerializedSchedule
  /** The release of the build that brought it into force, where that gives one. It is no part of the fingerprint. */
  readonly release?: number
  /**
   * For a version that `update` or `apply` has stored: the fingerprint of the build's definition that it replaced.
   * Nodes of that build follow the version.
   */
  readonly updates?: string
  /** Why `update` made this version, and who called it. They are no part of the fingerprint. */
  readonly reason?: string
  readonly actor?: string
  /** The stored definition is damaged, see `unreadablePartOf`. Never stored. */
  readonly isUnreadable?: boolean
}

export interface TaskDocument {
  readonly name: string
  readonly settings: TaskOverrides
  /** Name of the handler, where the task has no function of its own. */
  readonly handler?: string
  readonly data?: JsonValue
  /** In what its work runs, where that is isolated. Where the work is, each node knows for itself. */
  readonly isolation?: Isolation
}

export function toJobDocument(
  job: Pick<Job, 'overrides' | 'tasks' | 'tags' | 'description'>,
  defaults: JobOverrides,
): JobDocument {
  const { tags, description } = job
  return {
    defaults,
    settings: job.overrides,
    tasks: job.tasks.map(({ name, overrides, data, handler, isolation }) => ({
      name,
      settings: overrides,
      ...(handler !== undefined && { handler }),
      ...(data !== undefined && { data }),
      ...(isolation !== null && { isolation }),
    })),
    ...(tags.length > 0 && { tags }),
    ...(description !== null && { description }),
  }
}

/** A definition that cannot be read: no task is known, so no node runs it. */
const unreadable: JobDocument = Object.freeze({ defaults: {}, settings: {}, tasks: [], isUnreadable: true })

/** What a storage gave back as the definition that {@link toJobDocument} made. */
export function readJobDocument(stored: JsonObject): JobDocument {
  return isDefinition(stored) ? (stored as unknown as JobDocument) : unreadable
}

/** The effective settings of a stored definition. */
export function settingsOf({ defaults, settings, schedule }: JobDocument): JobSettings {
  return resolveScheduledSettings({ isOnRequest: schedule !== undefined && isNoSchedule(schedule) }, defaults, settings)
}

/** The priority of what is created of a stored job, unless a request says otherwise. */
export function priorityOf({ definition }: { readonly definition: JsonObject }): number {
  const { defaults, settings } = readJobDocument(definition)
  return settings.priority ?? defaults.priority ?? defaultSettings.priority
}

/** What a stored definition says of its job beside what is to be done. */
export function labelsOf({ tags = [], description }: JobDocument): Pick<Job, 'tags' | 'description'> {
  return { tags, description: description ?? null }
}

/** Whether the tasks name handlers, and none of them has code of its own. */
export function isDataAlone({ tasks, isUnreadable = false }: JobDocument): boolean {
  return !isUnreadable && tasks.every(({ handler }) => handler !== undefined)
}

/** The tasks of a stored definition; those that are not data alone have the functions of `own`, where it has them. */
export function tasksOf(document: JobDocument, own: readonly JobTask[]): readonly JobTask[] {
  return document.tasks.map(({ name, settings, handler, data, isolation = null }) => {
    const task = handler === undefined ? own.find((one) => one.name === name) : undefined
    return { name, overrides: settings, data, handler, run: task?.run, retryIf: task?.retryIf, isolation }
  })
}

/**
 * What a node must have to run the job: its handlers, when the job is data alone; otherwise the job's own code.
 */
export function handlerKeyOf(job: Pick<Job, 'id' | 'tasks'>): string {
  const names = new Set<string>()
  for (const { handler } of job.tasks) {
    if (handler === undefined) return job.id
    names.add(handler)
  }
  return `handlers:${[...names].sort().join(',')}`
}
