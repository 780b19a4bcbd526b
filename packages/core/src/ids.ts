import { v5 } from 'uuid'
import { type InstantInput, toInstantText } from './instant.ts'

export type JobId = `job_${string}`
export type TaskId = `task_${string}`
export type OccurrenceId = `occ_${string}`
export type TaskRunId = `run_${string}`
export type AttemptId = `attempt_${string}`

// The UUIDv5 namespaces of RFC 9562 and their neighbours. They are part of the data of every user: never change them.
const namespaces = {
  job: '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
  task: '6ba7b811-9dad-11d1-80b4-00c04fd430c8',
  occurrence: '6ba7b812-9dad-11d1-80b4-00c04fd430c8',
  run: '6ba7b813-9dad-11d1-80b4-00c04fd430c8',
  attempt: '6ba7b814-9dad-11d1-80b4-00c04fd430c8',
} as const

/** The id of the job with this name. */
export function jobId(name: string): JobId {
  return `job_${v5(name, namespaces.job)}`
}

/** The id of a job's task. */
export function taskId(job: JobId, taskName: string): TaskId {
  return `task_${v5(`${job}:${taskName}`, namespaces.task)}`
}

/**
 * The id of a job's occurrence at an instant. Every node derives the same one, and races to create it.
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function occurrenceId(job: JobId, at: InstantInput): OccurrenceId {
  return `occ_${v5(`${job}:${toInstantText(at)}`, namespaces.occurrence)}`
}

/** The id of a task inside an occurrence. */
export function taskRunId(occurrence: OccurrenceId, task: TaskId): TaskRunId {
  return `run_${v5(`${occurrence}:${task}`, namespaces.run)}`
}

/** The id of one try of a task run; `number` counts from 1. */
export function attemptId(run: TaskRunId, number: number): AttemptId {
  return `attempt_${v5(`${run}:${number}`, namespaces.attempt)}`
}
