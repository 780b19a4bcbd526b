import type { JobOverrides, JobSettings } from '../../configuration/settings.ts'
import { resolveJobSettings } from '../../configuration/read-settings.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobVersionRecord } from '../../storage/job-record.ts'
import {
  type AttemptRecord,
  isFinal,
  type OccurrenceRecord,
  type TaskRunRecord,
} from '../../storage/occurrence-record.ts'

/** The part of a task plan or task record that names the task. */
interface Named {
  readonly name: string
}

/** Returns the record with its unfinished attempts marked as lost. */
export function withLostAttempts(record: TaskRunRecord, now: number | null): TaskRunRecord {
  if (!hasUnfinishedAttempt(record)) return record
  return {
    ...record,
    attempts: record.attempts.map((attempt) =>
      isUnfinished(attempt) ? { ...attempt, state: 'lost' as const, endedAt: now } : attempt,
    ),
  }
}

/** Returns whether an attempt of the task runs or waits for its retry interval. */
export function hasUnfinishedAttempt({ attempts }: TaskRunRecord): boolean {
  return attempts.some(isUnfinished)
}

function isUnfinished({ state }: AttemptRecord): boolean {
  return state === 'running' || state === 'waiting'
}

/** Returns the record of a task whose occurrence no owner continues. An unfinished task gets the given state and reason. */
export function abandoned(
  record: TaskRunRecord,
  how: {
    readonly state: 'failed' | 'canceled'
    readonly reason: string
    readonly now: number | null
  },
): TaskRunRecord {
  if (record.state !== 'running' && record.state !== 'retrying') return record
  return { ...withLostAttempts(record, how.now), state: how.state, reason: how.reason }
}

/**
 * Returns the task runs of an occurrence for display. After a forced cancel, stored task runs may still be `running`; this
 * function returns them as canceled.
 */
export function shownRuns({ state, runs, finishedAt: now }: OccurrenceRecord): readonly TaskRunRecord[] {
  if (!isFinal(state)) return runs
  return runs.map((run) => withLostAttempts(abandoned(run, { state: 'canceled', reason: 'canceled', now }), now))
}

/** Returns the task runs at the start of an occurrence: of the first task, or of all tasks if `parallel`. */
export function initialRuns(plans: readonly Named[], parallel: boolean, now: number): TaskRunRecord[] {
  const [first] = plans
  if (first === undefined) return []
  return parallel ? plans.map((plan) => initialRun(plan, now)) : [initialRun(first, now)]
}

function initialRun({ name }: Named, now: number): TaskRunRecord {
  return { task: name, state: 'running', attempts: [{ number: 1, state: 'running', startedAt: now, endedAt: null }] }
}

/**
 * Returns whether the storage has no attempts of the occurrence. If so, the stored claim counts as the record of the first
 * attempts, and the node may call their handlers at once.
 */
export function beginsByClaim({ runs }: Pick<OccurrenceRecord, 'runs'>): boolean {
  return runs.length === 0
}

/** The settings and tasks of an occurrence, from the job version under which it was created. */
export interface Beginning {
  readonly settings: JobSettings
  readonly tasks: readonly Named[]
}

/** Returns the settings and tasks of a stored job version. */
export function definitionOf({ definition }: Pick<JobVersionRecord, 'definition'>): Beginning {
  const { defaults, settings, tasks } = readJobDocument(definition)
  return { settings: resolveJobSettings(defaults, settings), tasks }
}

/**
 * Returns whether a forced cancel ended a claimed occurrence before its owner stored anything about the run. Such an occurrence
 * has no stored task runs, although its owner may have called handlers.
 */
export function endedByClaim(record: Pick<OccurrenceRecord, 'state' | 'token' | 'sequence' | 'runs'>): boolean {
  return record.state === 'canceled' && record.token > 0 && record.sequence === 0 && beginsByClaim(record)
}

/**
 * Returns the task runs of an occurrence whose owner no longer runs it. If the storage has no task runs, derives the first
 * attempts from the definition (decision 0012).
 */
export function runsOfLeft(record: OccurrenceRecord, definition: Beginning): readonly TaskRunRecord[] {
  if (!beginsByClaim(record)) return record.runs
  const { tasks: wanted, overrides = {} } = record.details
  const { taskExecutionMode } = resolveJobSettings(definition.settings, overrides as JobOverrides)
  const tasks = definition.tasks.filter(({ name }) => wanted === undefined || wanted.includes(name))
  return initialRuns(tasks, taskExecutionMode === 'parallel', record.startedAt ?? record.createdAt)
}

/** Returns whether all tasks of the occurrence have ended. */
export function hasEndedTasks(
  { details }: Pick<OccurrenceRecord, 'details'>,
  runs: readonly TaskRunRecord[],
  definition: { readonly tasks: readonly Named[] },
): boolean {
  const tasks = definition.tasks.filter(({ name }) => details.tasks === undefined || details.tasks.includes(name))
  const ended = new Set(runs.filter(({ state }) => state !== 'running' && state !== 'retrying').map(({ task }) => task))
  return tasks.every(({ name }) => ended.has(name))
}

/**
 * Returns the task runs of tasks that are not in the plan. Of these task runs, the unfinished ones are returned as canceled.
 */
export function runsWithoutTask(
  runs: readonly TaskRunRecord[],
  plans: readonly Named[],
  now: number,
): readonly TaskRunRecord[] {
  return runs
    .filter((run) => !plans.some((plan) => plan.name === run.task))
    .map((run) => abandoned(run, { state: 'canceled', reason: 'no_handler', now }))
}
