import { isWellFormed, readList, readName } from '../configuration/read-value.ts'
import { invalidValue, type JobistemerError, printValue } from '../errors.ts'
import { jobId } from '../ids.ts'
import { isNoSchedule } from '../schedule/no-schedule.ts'
import type { Job } from './define-job.ts'

/**
 * Checks a list of jobs, whose names must differ.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `DUPLICATE_JOB`
 */
export function readJobs(jobs: readonly Job[]): readonly Job[] {
  const names = new Set<string>()
  for (const [index, job] of readList(jobs, 'jobs').entries()) {
    readDistinctJob(job, `jobs[${index}]`, names)
  }
  return jobs
}

/**
 * Checks a job of a list, and adds its name to `names`. `names` holds the names of earlier jobs of the list.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `DUPLICATE_JOB`
 */
export function readDistinctJob(job: Job, field: string, names: Set<string>): void {
  readJob(job, field)
  if (names.has(job.name)) throw duplicateJob(job.name, `${field}.name`)
  names.add(job.name)
}

export function duplicateJob(name: string, field: string): JobistemerError {
  return invalidValue(
    field,
    'is the name of an earlier job',
    name,
    'Give each job a name of its own, and name it once.',
    'DUPLICATE_JOB',
  )
}

/**
 * Checks that a value is a job that `defineJob` has made.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function readJob(job: Job, field: string): Job {
  if (isJob(job)) return job
  throw invalidValue(field, 'is not a job', job, 'Give what defineJob() makes.')
}

function isJob(value: Partial<Job> | null | undefined): boolean {
  if (typeof value !== 'object' || value === null || typeof value.name !== 'string') return false
  const { id, schedule, tasks, settings } = value
  const hasParts = Array.isArray(tasks) && tasks.length > 0 && typeof settings === 'object' && settings !== null
  return hasParts && typeof schedule?.nextMs === 'function' && isWellFormed(value.name) && id === jobId(value.name)
}

/**
 * Checks that an argument is the name of a job. If the argument is a job object, the error tells the caller to pass the job's
 * name.
 */
export function readJobName(name: unknown, field = 'name'): string {
  const isJob = typeof name === 'object' && name !== null && 'name' in name && typeof name.name === 'string'
  return readName(name, field, isJob ? `Pass its name, ${printValue(name.name)}, not the job itself.` : undefined)
}

/** Returns the name of a job object, for calls that take a name or a job. Returns any other value unchanged. */
export function nameOfJob(value: unknown): unknown {
  return isJob(value as Partial<Job>) ? (value as Job).name : value
}

/**
 * Checks that the schedule of a new job can still fire. `nextAt` is the job's next instant. Returns the error
 * `SCHEDULE_NEVER_FIRES` if the window of the schedule has ended, or if `nextAt` is `null`. Returns `null` if the schedule can
 * fire, and for a job that runs only on request.
 */
export function errorOfWhatIsOver({ name, schedule }: Job, now: number, nextAt: number | null): JobistemerError | null {
  const endMs = schedule.window?.endMs ?? Number.POSITIVE_INFINITY
  const what = `of job ${printValue(name)} leaves the job no instant to come`
  const remedy = 'Give one that lies ahead, or no schedule: the job runs on request alone then.'
  if (endMs < now) return invalidValue('schedule.end', what, new Date(endMs), remedy, 'SCHEDULE_NEVER_FIRES')
  const value = schedule.toJSON()
  if (nextAt !== null || isNoSchedule(value)) return null
  return invalidValue('schedule', what, value, remedy, 'SCHEDULE_NEVER_FIRES')
}
