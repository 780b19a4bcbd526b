import type { Failure, JobInfo, LastRun, ListedOccurrence, TaskReport } from '@jobistemer/core'
import type { Hidden } from './redaction.ts'
import type { ErrorLine, GridPage, GridRun, JobLine, RunLine, Wire } from './wire.ts'
import { whyOf } from '@jobistemer/core'

/**
 * Age in ms from which the dashboard shows a due slot as late if no node has launched it. Nodes scan for overdue slots once a
 * second.
 */
const lateMs = 30_000
const longestMessage = 300

/** Converts a run to the members that the dashboard shows in lists of runs. */
export function runLineOf(run: ListedOccurrence & Partial<Pick<Failure, 'resolvedBy'>>, hidden: Hidden): RunLine {
  return {
    id: run.id,
    job: run.job,
    kind: run.kind,
    state: run.state,
    reason: run.reason,
    why: whyOf(run),
    scheduledAt: run.scheduledAt.toISOString(),
    slot: textOf(run.slot),
    createdAt: run.createdAt.toISOString(),
    startedAt: textOf(run.startedAt),
    finishedAt: textOf(run.finishedAt),
    node: run.node,
    recovered: run.recovered,
    isBackfill: run.backfill !== null,
    rescues: run.rescues,
    actor: run.requestActor,
    cancelRequested: run.cancelRequest !== null,
    slots: run.span?.count ?? 1,
    error: errorLineOf(run.tasks, hidden),
    resolvedBy: run.resolvedBy ?? null,
  }
}

/** Converts runs to the columns and tasks of a job's grid. */
export function gridOf(runs: readonly ListedOccurrence[]): Omit<GridPage, 'cursor'> {
  const names = new Map<string, number>()
  const placeOf = (name: string): number => {
    const known = names.get(name)
    if (known !== undefined) return known
    names.set(name, names.size)
    return names.size - 1
  }
  const columns = runs.map(({ id, state, scheduledAt, slot, startedAt, finishedAt, tasks }): GridRun => {
    const tookMs = startedAt === null || finishedAt === null ? null : finishedAt.getTime() - startedAt.getTime()
    const cells = tasks.map((task) => [placeOf(task.name), task.state, task.attemptCount, task.durationMs] as const)
    return { id, state, at: (slot ?? scheduledAt).toISOString(), tookMs, tasks: cells }
  })
  return { names: [...names.keys()], runs: columns }
}

function errorLineOf(tasks: readonly TaskReport[], hidden: Hidden): ErrorLine | null {
  const failed =
    tasks.find(({ error, state }) => error !== null && state === 'failed') ?? tasks.find(({ error }) => error)
  if (failed?.error == null) return null
  const { name, code = null, message } = failed.error
  return { task: failed.name, name, code, message: hidden.has('errors') ? null : cut(message) }
}

function cut(text: string): string {
  return text.length > longestMessage ? `${text.slice(0, longestMessage)}…` : text
}

/**
 * The parts of a job that its line in a list needs. Instants stay unformatted: the page shows only a few of thousands of jobs,
 * so it would be slow to format the instants of all jobs.
 */
export interface ListedJob extends Pick<JobInfo, 'name' | 'owner' | 'tags' | 'description' | 'nextAt' | 'paused'> {
  readonly schedule: string | null
  readonly timezone: string | null
  readonly isLate: boolean
  readonly hasNoCode: boolean
  readonly lastRun: LastRun | null
  readonly counts: JobLine['counts']
}

/** Returns only the parts of a job that its line in a list needs, to save memory. */
export function listedJobOf(job: JobInfo, now: number): ListedJob {
  const { name, owner, tags, description, scheduleDescription, nextAt, paused, lastRun = null, counts = null } = job
  return {
    name,
    owner,
    tags,
    description,
    schedule: scheduleDescription ?? job.schedule?.type ?? null,
    timezone: timezoneOf(job),
    nextAt,
    isLate: isLate(job, now),
    hasNoCode: job.hasCode === false,
    paused,
    lastRun,
    counts,
  }
}

/** Converts a job to the members that the dashboard shows in lists of jobs. */
export function jobLineOf(job: ListedJob): JobLine {
  const { nextAt, paused, lastRun } = job
  return { ...job, nextAt: textOf(nextAt), paused: pauseOf(paused), lastRun: lastRunOf(lastRun) }
}

function pauseOf(paused: JobInfo['paused']): Wire<JobInfo['paused']> {
  if (paused === null) return null
  return { ...paused, at: paused.at.toISOString(), until: textOf(paused.until) }
}

function lastRunOf(run: LastRun | null): JobLine['lastRun'] {
  if (run === null) return null
  const { scheduledAt, slot, startedAt, finishedAt, ...others } = run
  return {
    ...others,
    scheduledAt: scheduledAt.toISOString(),
    slot: textOf(slot),
    startedAt: textOf(startedAt),
    finishedAt: textOf(finishedAt),
  }
}

function isLate({ nextAt, paused }: Pick<JobInfo, 'nextAt' | 'paused'>, now: number): boolean {
  return nextAt !== null && paused === null && now - nextAt.getTime() > lateMs
}

/** Returns the time zone of the job's schedule, or of its settings if the schedule has none. */
function timezoneOf({ schedule, settings }: JobInfo): string | null {
  const own = (schedule as { readonly timezone?: unknown } | null)?.timezone
  if (typeof own === 'string') return own
  return settings.timezone ?? null
}

export function textOf(date: Date | null): string | null {
  return date === null ? null : date.toISOString()
}
