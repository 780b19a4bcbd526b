import { resolveJobSettings } from '../../configuration/resolve-settings.ts'
import type { JobOverrides, JobSettings } from '../../configuration/settings.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobVersionRecord } from '../../storage/job-record.ts'
import {
  type AttemptRecord,
  isFinal,
  type OccurrenceRecord,
  type TaskRunRecord,
} from '../../storage/occurrence-record.ts'

/** A task, as far as its name goes. */
interface Named {
  readonly name: string
}

/** What is known of the loss of an attempt. */
type Loss = Pick<AttemptRecord, 'lostBy' | 'error'>

/** The record with attempts that have not ended marked as lost. */
export function withLostAttempts(record: TaskRunRecord, now: number | null, loss: Loss = {}): TaskRunRecord {
  if (!hasUnfinishedAttempt(record)) return record
  return {
    ...record,
    attempts: record.attempts.map((attempt) =>
      isUnfinished(attempt) ? { ...attempt, state: 'lost' as const, endedAt: now, ...loss } : attempt,
    ),
  }
}

/** An attempt of it is under way, or about to be. */
export function hasUnfinishedAttempt({ attempts }: TaskRunRecord): boolean {
  return attempts.some(isUnfinished)
}

function isUnfinished({ state }: AttemptRecord): boolean {
  return state === 'running' || state === 'waiting'
}

/** The record of a task that nobody goes on with; one that has ended stays as it is. */
export function abandoned(
  record: TaskRunRecord,
  how: {
    readonly state: 'failed' | 'canceled'
    readonly reason: string
    readonly now: number | null
    readonly loss?: Loss
  },
): TaskRunRecord {
  if (record.state !== 'running' && record.state !== 'retrying') return record
  return { ...withLostAttempts(record, how.now, how.loss), state: how.state, reason: how.reason }
}

/**
 * The task runs of an occurrence as they are shown. Whoever ends one in its owner's place, as a forced cancel does, knows
 * nothing of its tasks, and storages keep what was said of them last: of one that has ended, none goes on.
 */
export function shownRuns({
  state,
  runs,
  finishedAt: now,
}: Pick<OccurrenceRecord, 'state' | 'runs' | 'finishedAt'>): readonly TaskRunRecord[] {
  if (!isFinal(state)) return runs
  return runs.map((run) => withLostAttempts(abandoned(run, { state: 'canceled', reason: 'canceled', now }), now))
}

/** The task runs that an occurrence starts with: the first task, or all of them, with their first attempts running. */
export function initialRuns(plans: readonly Named[], parallel: boolean, now: number): TaskRunRecord[] {
  const [first] = plans
  if (first === undefined) return []
  return parallel ? plans.map((plan) => initialRun(plan, now)) : [initialRun(first, now)]
}

function initialRun({ name }: Named, now: number): TaskRunRecord {
  return {
    task: name,
    state: 'running',
    attempts: [{ number: 1, state: 'running', startedAt: now, endedAt: null }],
  }
}

/** Nothing is stored of any attempt: whoever claims it may begin at once, since the claim stands for the first ones. */
export function beginsByClaim({ runs }: Pick<OccurrenceRecord, 'runs'>): boolean {
  return runs.length === 0
}

/** What an occurrence begins with, by its own version of its job. */
export interface Beginning {
  readonly settings: JobSettings
  readonly tasks: readonly Named[]
}

/** The beginning of the occurrences of a stored version. */
export function definitionOf({ definition }: Pick<JobVersionRecord, 'definition'>): Beginning {
  const { defaults, settings, tasks } = readJobDocument(definition)
  return { settings: resolveJobSettings(defaults, settings), tasks }
}

/** A cancel by force ended the occurrence after its claim, and before its owner stored anything of its attempts. */
export function endedByClaim(record: Pick<OccurrenceRecord, 'state' | 'token' | 'sequence' | 'runs'>): boolean {
  return record.state === 'canceled' && record.token > 0 && record.sequence === 0 && beginsByClaim(record)
}

/**
 * The task runs of an occurrence that its owner has left. If they had begun by the claim, they are those that its
 * definition begins with, although nothing is stored of them: see decision 0012.
 */
export function runsOfLeft(
  record: Pick<OccurrenceRecord, 'runs' | 'details' | 'startedAt' | 'createdAt'>,
  definition: Beginning,
): readonly TaskRunRecord[] {
  if (!beginsByClaim(record)) return record.runs
  const { tasks: wanted, overrides = {} } = record.details
  const { taskExecutionMode } = resolveJobSettings(definition.settings, overrides as JobOverrides)
  const tasks = definition.tasks.filter(({ name }) => wanted === undefined || wanted.includes(name))
  return initialRuns(tasks, taskExecutionMode === 'parallel', record.startedAt ?? record.createdAt)
}

/** Every task that an occurrence is to run has ended: what is missing is that the occurrence itself has. */
export function hasEndedTasks(
  { details }: Pick<OccurrenceRecord, 'details'>,
  runs: readonly TaskRunRecord[],
  definition: { readonly tasks: readonly Named[] },
): boolean {
  const tasks = definition.tasks.filter(({ name }) => details.tasks === undefined || details.tasks.includes(name))
  const ended = new Set(runs.filter(({ state }) => state !== 'running' && state !== 'retrying').map(({ task }) => task))
  return tasks.every(({ name }) => ended.has(name))
}

/** The runs of tasks that the plan does not have (any more): they are over. */
export function runsWithoutTask(
  runs: readonly TaskRunRecord[],
  plans: readonly Named[],
  now: number,
): readonly TaskRunRecord[] {
  return runs
    .filter((run) => !plans.some((plan) => plan.name === run.task))
    .map((run) => abandoned(run, { state: 'canceled', reason: 'no_handler', now }))
}
