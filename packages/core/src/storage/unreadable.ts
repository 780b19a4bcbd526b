import type { JsonObject } from '../json.ts'
import type { JobRecord, PauseRecord, ScheduleSegment } from './job-record.ts'
import type { CancelRequest, OccurrenceDetails, TaskRunRecord } from './occurrence-record.ts'

// The functions of this module mark a damaged row, and do not throw. If a storage threw an exception, the caller would not get
// the other rows of the call either. The mark is a member of the stored JSON, so later writes keep it.

/** Parses stored JSON. Returns `undefined` for text that is no JSON. */
export function parseStored(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Reads the definition of a stored version. Returns `{ unreadable: 'definition' }` for a damaged definition. */
export function definitionOfStored(value: unknown): JsonObject {
  return isObject(value) ? (value as JsonObject) : { unreadable: 'definition' }
}

/** Reads the timeline of a stored job. Returns an empty list for a damaged timeline. */
export function timelineOfStored(value: unknown): readonly ScheduleSegment[] {
  const isTimeline = Array.isArray(value) && value.every((one) => isObject(one) && isObject(one.schedule))
  return isTimeline ? (value as readonly ScheduleSegment[]) : []
}

/** Reads the lineage of a stored job. Returns an empty list for a damaged lineage. */
export function lineageOfStored(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** Reads the pause of a stored job. Returns a pause without an end for a damaged pause, so that the job waits for `resume`. */
export function pauseOfStored(value: unknown): PauseRecord {
  return isObject(value) ? (value as unknown as PauseRecord) : { at: 0, reason: 'unreadable', actor: null }
}

/** Reads the numbers of a stored start rate. Returns `null`, which means no start rate, for damaged numbers. */
export function numbersOfStored(value: unknown): readonly number[] | null {
  const areNumbers = Array.isArray(value) && value.every((one) => typeof one === 'number')
  return areNumbers ? (value as readonly number[]) : null
}

/** Reads the details of a stored occurrence. Returns `{ unreadable: 'details' }` for damaged details. */
export function detailsOfStored(value: unknown): OccurrenceDetails {
  return isObject(value) ? (value as OccurrenceDetails) : unreadableDetails
}

const unreadableDetails: OccurrenceDetails = Object.freeze({ unreadable: 'details' })

/** Reads the task runs of a stored occurrence. Returns `null` for damaged runs, see {@link withRunsOfStored}. */
export function runsOfStored(value: unknown): readonly TaskRunRecord[] | null {
  const areRuns =
    Array.isArray(value) &&
    value.every((one) => isObject(one) && typeof one.task === 'string' && Array.isArray(one.attempts))
  return areRuns ? (value as readonly TaskRunRecord[]) : null
}

/** Returns the details and task runs of a stored occurrence. If the runs are damaged, the details get the mark `unreadable`. */
export function withRunsOfStored(
  details: OccurrenceDetails,
  runs: readonly TaskRunRecord[] | null,
): { readonly details: OccurrenceDetails; readonly runs: readonly TaskRunRecord[] } {
  return runs === null ? { details: { ...details, unreadable: 'runs' }, runs: [] } : { details, runs }
}

/** Reads the stored request to cancel an occurrence. A damaged request still cancels the occurrence. */
export function cancelRequestOfStored(value: unknown): CancelRequest {
  return isObject(value) ? (value as unknown as CancelRequest) : { at: 0, reason: 'unreadable', actor: null }
}

/** Reads a stored profile, or the member `about` of a stored node record. Returns an empty object for a damaged value. */
export function objectOfStored(value: unknown): JsonObject {
  return isObject(value) ? (value as JsonObject) : {}
}

/**
 * Returns the name of the part of a stored job that cannot be read: `definition` or `timeline`. Returns `null` for a readable
 * job.
 */
export function unreadablePartOf({ definition, timeline }: Pick<JobRecord, 'definition' | 'timeline'>): string | null {
  if (!isDefinition(definition)) return 'definition'
  return timeline.length === 0 ? 'timeline' : null
}

/** Returns whether a stored definition has the members that every definition has. */
function isDefinition({ defaults, settings, tasks }: JsonObject): boolean {
  if (!isObject(defaults) || !isObject(settings) || !Array.isArray(tasks)) return false
  return tasks.every((task) => isObject(task) && typeof task.name === 'string' && isObject(task.settings))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
