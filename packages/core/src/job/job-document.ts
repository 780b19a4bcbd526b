import type { OccurrenceDetails } from '../storage/occurrence-record.ts'
import { priorityStepMs } from '../storage/tuning.ts'
import type { JobOverrides, JobSettings } from '../configuration/settings.ts'
import { defaultSettings, resolveJobSettings } from '../configuration/read-settings.ts'
import type { JsonObject } from '../json.ts'
import { isNoSchedule } from '../schedule/no-schedule.ts'
import type { SerializedSchedule } from '../schedule/schedule.ts'
import { unreadablePartOf } from '../storage/unreadable.ts'
import type { Job, JobTask } from './define-job.ts'

/** The stored definition of one version of a job. */
export interface JobDocument {
  /** The `defaults` of the scheduler that stored the version. */
  readonly defaults: JobOverrides
  readonly settings: JobOverrides
  readonly tasks: readonly TaskDocument[]
  /** The tags of the job; absent without tags. */
  readonly tags?: readonly string[]
  readonly description?: string
  /** Tag of the code that declares the job; absent without a tag. */
  readonly owner?: string
  /** The schedule that the definition gives. The timeline of the job tells from which instant this schedule applies. */
  readonly schedule?: SerializedSchedule
  /** The release of the build that stored the definition; absent if the build has no release. Not part of the fingerprint. */
  readonly release?: number
  /**
   * Set only in a version that `update` or `apply` has stored: the fingerprint of the definition in code that this version
   * replaced. If the code of a node still has the replaced definition, the node runs the job by this version.
   */
  readonly updates?: string
  /** The reason that the caller of `update` gave for this version. Not part of the fingerprint. */
  readonly reason?: string
  /** The actor that the caller of `update` named for this version. Not part of the fingerprint. */
  readonly actor?: string
  /** True if the stored definition is damaged, see `unreadablePartOf`. This member is never stored. */
  readonly isUnreadable?: boolean
}

/** The stored part of a task. */
export type TaskDocument = Omit<JobTask, 'run' | 'retryIf'>

export function toJobDocument({ settings, tasks, tags, description }: Job, defaults: JobOverrides): JobDocument {
  return {
    defaults,
    settings,
    tasks: tasks.map(({ run: _run, retryIf: _retryIf, ...stored }) => stored),
    ...(tags.length > 0 && { tags }),
    ...(description !== null && { description }),
  }
}

/** An unreadable definition: it has no tasks, so no node runs it. */
const unreadable: JobDocument = Object.freeze({ defaults: {}, settings: {}, tasks: [], isUnreadable: true })

/** Reads a stored definition. For a damaged definition, returns a definition without tasks. */
export function readJobDocument(stored: JsonObject): JobDocument {
  const part = unreadablePartOf({ definition: stored, timeline: [] })
  return part === 'definition' ? unreadable : (stored as unknown as JobDocument)
}

/**
 * Returns the effective settings of a stored definition. The default overlap policy of a job without a schedule is `allow`, so
 * that every request runs. If `maxConcurrency` or `startRate` is set, the default is `queue`, because `allow` does not support
 * these limits.
 */
export function settingsOf({ defaults, settings, schedule }: JobDocument): JobSettings {
  if (schedule === undefined || !isNoSchedule(schedule)) return resolveJobSettings(defaults, settings)
  const { maxConcurrency, startRate = null }: JobOverrides = { ...defaults, ...settings }
  const isBounded = maxConcurrency !== undefined || startRate !== null
  return resolveJobSettings({ overlapPolicy: isBounded ? 'queue' : 'allow' }, defaults, settings)
}

/** Returns the default priority of the occurrences of a stored job. */
export function priorityOf({ definition }: { readonly definition: JsonObject }): number {
  const { defaults, settings } = readJobDocument(definition)
  return settings.priority ?? defaults.priority ?? defaultSettings.priority
}

/**
 * Returns by how many milliseconds the priority of a stored job moves its slots forward in the order of waiting occurrences.
 * Each level of priority counts 1 h. Negative for a priority below 0.
 */
export function forwardMsOf(head: { readonly definition: JsonObject }): number {
  return priorityOf(head) * priorityStepMs
}

/** The details of most slots: none. */
export const noDetails: OccurrenceDetails = Object.freeze({})

/**
 * Returns the details of an occurrence with the priority to store: the priority of the request, or else that of the job.
 * Priority 0 is left out.
 */
export function prioritized(details: OccurrenceDetails, job: { readonly priority: number }): OccurrenceDetails {
  if (details.priority === undefined) return job.priority === 0 ? details : { ...details, priority: job.priority }
  if (details.priority !== 0) return details
  const { priority: _, ...rest } = details
  return rest
}

/** Returns the tags and the description of a stored definition. */
export function labelsOf({ tags = [], description }: JobDocument): Pick<Job, 'tags' | 'description'> {
  return { tags, description: description ?? null }
}

/** Returns whether all tasks name handlers, and none has a function. */
export function isDataAlone({ tasks, isUnreadable = false }: JobDocument): boolean {
  return !isUnreadable && tasks.every(({ handler }) => handler !== undefined)
}

/** The name of a task, with the members of the task that only the code of a node has. */
export type TaskCode = Pick<JobTask, 'name' | 'run' | 'retryIf'>

/**
 * Returns the tasks of a stored definition, with the functions of this node's code. `own` has the tasks of this node's code. A
 * task without a named handler gets `run` and `retryIf` of the task of the same name in `own`. If `own` has no such task, both
 * are `undefined`.
 */
export function tasksOf(document: JobDocument, own: readonly TaskCode[]): readonly JobTask[] {
  return document.tasks.map((task) => {
    const code = task.handler === undefined ? own.find(({ name }) => name === task.name) : undefined
    return { ...task, run: code?.run, retryIf: code?.retryIf }
  })
}

/** Returns the handler key of a job: the names of its handlers if the job is data alone, otherwise the id of the job. */
export function handlerKeyOf(job: Pick<Job, 'id' | 'tasks'>): string {
  const names = new Set<string>()
  for (const { handler } of job.tasks) {
    if (handler === undefined) return job.id
    names.add(handler)
  }
  return `handlers:${[...names].sort().join(',')}`
}
