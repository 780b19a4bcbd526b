import type { ErrorRecord } from '@jobistemer/core/storage'
import type {
  BackfillReference,
  BackfillResult,
  JobDetails,
  JobInfo,
  JobTaskInfo,
  JobVersion,
  JsonValue,
  LiveCounts,
  NodeInfo,
  Occurrence,
  TaskReport,
} from '@jobistemer/core'
import type { DashboardAction, HiddenKind } from './options.ts'

/** The type of a value after it was sent as JSON: a `Date` becomes an ISO text. */
export type Wire<T> = T extends Date
  ? string
  : T extends JsonValue | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Wire<Item>[]
      : T extends object
        ? { readonly [Name in keyof T]: Wire<T[Name]> }
        : T

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly cursor: string | null
}

/** The session of the page: whether it is read-only, the server's time, and texts for run states. */
export interface Session {
  readonly readOnly: boolean
  readonly now: string
  /** The explanation of each state of a run, in one sentence, by the name of the state. */
  readonly states: Readonly<Record<string, string>>
}

/** A value of a run as the page receives it: whole, shortened, or hidden. */
export type Shown =
  | { readonly kind: 'whole'; readonly value: JsonValue }
  | { readonly kind: 'beginning'; readonly text: string; readonly length: number }
  | { readonly kind: 'hidden' }

/** The first error of a run, shortened to the one line that lists show. */
export interface ErrorLine {
  readonly task: string
  readonly name: string
  readonly code: string | null
  /** The error message; `null` if it is hidden from the user. */
  readonly message: string | null
}

/** A run in a list. */
export interface RunLine {
  readonly id: string
  readonly job: string | null
  readonly kind: Occurrence['kind']
  readonly state: Occurrence['state']
  readonly reason: string | null
  readonly why: string
  readonly scheduledAt: string
  /** The instant that a replay or backfill run works for; `null` if the instant equals `scheduledAt`. */
  readonly slot: string | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly node: string | null
  readonly recovered: boolean
  readonly isBackfill: boolean
  readonly rescues: number
  readonly actor: string | null
  readonly cancelRequested: boolean
  readonly slots: number
  readonly error: ErrorLine | null
  /**
   * The id of the completed run that resolves this failure; `null` if the run did not fail, or its failure is not resolved.
   */
  readonly resolvedBy: string | null
}

/**
 * A task in the grid of a job: the index of its name in {@link GridPage}, its state, number of attempts, and duration in
 * ms. The duration is `null` if the task has not ended, or never started.
 */
export type GridTask = readonly [name: number, state: TaskReport['state'], attempts: number, durationMs: number | null]

/** One column of a job's grid: a run with its tasks. */
export interface GridRun {
  readonly id: string
  readonly state: Occurrence['state']
  /** The instant that the run works for. */
  readonly at: string
  /** Duration of the run in ms; `null` if the run has not ended, or never started. */
  readonly tookMs: number | null
  readonly tasks: readonly GridTask[]
}

/** Runs of a job for the grid, in compact form, because a grid has thousands of cells. */
export interface GridPage {
  /** The distinct names of the tasks in these runs. A {@link GridTask} contains the index of its name in this list. */
  readonly names: readonly string[]
  /** The runs that the grid shows as columns, newest first. */
  readonly runs: readonly GridRun[]
  readonly cursor: string | null
}

/** A bar of a sparkline. */
export interface Bar {
  readonly id: string
  readonly state: Occurrence['state']
  readonly durationMs: number | null
  readonly scheduledAt: string
}

/** A job in a list. */
export interface JobLine {
  readonly name: string
  readonly owner: string | null
  readonly tags: readonly string[]
  readonly description: string | null
  readonly schedule: string | null
  readonly timezone: string | null
  readonly nextAt: string | null
  readonly isLate: boolean
  /** `true` if no living node has the code of the job. */
  readonly hasNoCode: boolean
  readonly paused: Wire<JobInfo['paused']>
  readonly lastRun: Wire<JobInfo['lastRun']> | null
  readonly counts: LiveCounts | null
}

/** For each action on a job: whether the user has the right to perform the action. */
export type Rights = Readonly<Record<Exclude<DashboardAction, 'open' | 'view'>, boolean>>

/** A task of a job. */
export interface TaskOfJob {
  readonly name: string
  readonly handler: string | null
  readonly isolation: JobTaskInfo['isolation']
  readonly data: Shown | null
}

/** A job with all data of its page. */
export interface JobView extends JobLine {
  readonly version: number
  readonly settings: Wire<JobDetails['settings']>
  readonly tasks: readonly TaskOfJob[]
  readonly createdAt: string
  readonly changedAt: string
  /** The last resume of the job: its instant, actor and reason. */
  readonly resumed: Wire<JobInfo['resumed']>
  readonly lastSuccessAt: string | null
  readonly silentSince: string | null
  readonly rights: Rights
  readonly hidden: readonly HiddenKind[]
}

/** A task of a run, with the times of its attempts. */
export interface TaskLine {
  readonly name: string
  readonly state: TaskReport['state'] | 'waiting'
  readonly reason: string | null
  readonly durationMs: number | null
  readonly attemptCount: number
  readonly attempts: readonly {
    readonly number: number
    readonly state: TaskReport['attempts'][number]['state']
    readonly startedAt: string
    readonly endedAt: string | null
  }[]
  readonly progress: { readonly fraction: number; readonly message: string | null } | null
}

/** A run with all data of its page, except logs, errors and results of tasks. */
export interface RunView extends RunLine {
  readonly jobVersion: number
  readonly fencingToken: number
  readonly replayOf: string | null
  readonly backfill: { readonly key: string; readonly slot: string } | null
  readonly priority: number
  readonly requestKey: string | null
  readonly requestReason: string | null
  readonly cancelRequest: Wire<Occurrence['cancelRequest']>
  readonly input: Shown | null
  readonly span: Wire<Occurrence['span']>
  readonly tasks: readonly TaskLine[]
  readonly rights: Rights
  readonly hidden: readonly HiddenKind[]
}

/** A line of a log. */
export interface LogEntry {
  readonly at: string
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, JsonValue>> | null
  readonly isCut: boolean
}

/** A task of a run, with its attempts, errors, logs and result. */
export interface TaskView {
  readonly name: string
  readonly state: TaskReport['state']
  readonly reason: string | null
  readonly durationMs: number | null
  readonly attemptCount: number
  readonly result: Shown | null
  readonly attempts: readonly {
    readonly number: number
    readonly state: TaskReport['attempts'][number]['state']
    readonly reason: string | null
    readonly startedAt: string
    readonly endedAt: string | null
    readonly durationMs: number | null
    readonly error: ErrorRecord | null
    readonly logs: readonly LogEntry[]
    readonly droppedLogs: number
    readonly progress: { readonly fraction: number; readonly message: string | null } | null
  }[]
}

/** The counts of waiting and running runs. Only runs of jobs that the viewer may see are counted. */
export interface CountsView extends LiveCounts {
  /** `true` if the request reached its limit of calls of `authorize`, so that the real counts may be higher. */
  readonly isPart: boolean
}

/** The data of the overview page, except the data about all jobs in {@link SurveyView}. */
export interface Overview {
  readonly counts: CountsView
  readonly failures: readonly RunLine[]
  readonly running: readonly RunLine[]
  readonly waiting: readonly RunLine[]
  /**
   * For each list of the overview: `true` if the storage may have further runs for the list, which the request has not checked.
   */
  readonly isPart: { readonly failures: boolean; readonly running: boolean; readonly waiting: boolean }
  readonly nodes: readonly Wire<NodeInfo>[]
}

/**
 * The survey of the jobs for the overview: which jobs are late, failing or without code, and which run next. The survey may
 * contain only a part of the jobs, see `isPart`.
 */
export interface SurveyView {
  /** The instant at which the dashboard surveyed the jobs, as ISO text. */
  readonly at: string
  /** Number of surveyed jobs that the viewer may see. The other counts also include only these jobs. */
  readonly jobs: number
  /** `true` if the storage has more jobs than the survey has read. */
  readonly isPart: boolean
  readonly paused: number
  readonly late: readonly JobLine[]
  readonly lateCount: number
  readonly failing: readonly JobLine[]
  readonly failingCount: number
  /** Jobs whose code no living node has. */
  readonly withoutCode: readonly JobLine[]
  readonly withoutCodeCount: number
  /** Number of jobs that are late, failed in their last run, or have no code. Each job counts once. */
  readonly attentionCount: number
  readonly upcoming: readonly { readonly job: string; readonly at: string }[]
  /**
   * `true` if the request reached its limit of calls of `authorize`. The survey then omits all further jobs, even jobs that the
   * viewer may see.
   */
  readonly isAskedPart: boolean
}

/** A page of jobs that are late. */
export interface LateView extends Page<JobLine> {
  /** The instant at which the dashboard surveyed the jobs, as ISO text. */
  readonly at: string
  /** Number of jobs that are late and that the viewer may see. */
  readonly count: number
  /** `true` if the storage has more jobs than the survey has read. */
  readonly isPart: boolean
}

/** A running, stopped or ended backfill, as lists show it. */
export interface BackfillLine {
  readonly job: string
  readonly key: string
  /**
   * `stopped`: some slots are left to run, and no run of the backfill is waiting or running. `ended`: no slot is left to
   * run.
   */
  readonly state: 'running' | 'stopped' | 'ended'
  /** The end of the backfill's last run, as ISO text; `null` while the backfill runs. */
  readonly endedAt: string | null
  readonly from: string
  readonly to: string
  readonly which: BackfillReference['which']
  readonly order: BackfillReference['order']
  readonly actor: string | null
  readonly reason: string | null
  /** The id of one run of the backfill. A request to continue the backfill contains this id. */
  readonly run: string
  /** The progress of the backfill; `null` if this process cannot compute the progress. */
  readonly progress: BackfillView | null
  /** `true` if the user has the right to stop and continue the backfill. */
  readonly mayAct: boolean
}

/** A list of backfills, with running backfills first. */
export interface BackfillsView {
  readonly items: readonly BackfillLine[]
  /** `true` if there may be more backfills than the dashboard has read. */
  readonly isPart: boolean
  /**
   * Number of the job's latest ended runs in which the request searched for backfills. `null` if the request searched all
   * ended runs, or if the list covers all jobs.
   */
  readonly readRuns: number | null
}

/** A version of a job, with its differences from the previous version. */
export interface VersionView {
  readonly version: number
  readonly createdAt: string
  readonly isFirstKnown: boolean
  /** The reason and the actor of the `update` that made this version; `null` if absent. */
  readonly reason: string | null
  readonly actor: string | null
  readonly changes: readonly { readonly name: string; readonly before: string; readonly after: string }[]
  readonly tasks: Wire<JobVersion['tasks']> | null
}

/** The result of a bulk action for one part of the matching items. */
export interface BulkAnswer {
  readonly done: number
  readonly failed: readonly { readonly what: string; readonly message: string }[]
  /** The cursor of the next part of the items; `null` after the last part. */
  readonly cursor: string | null
}

/**
 * The results of a part of a bulk action that an error stopped. To continue, the page repeats the request of this part, and
 * adds the handled items to `except`.
 */
export interface BulkPart extends Omit<BulkAnswer, 'cursor'> {
  /** The ids of the runs, or the names of the jobs, that are done or refused. */
  readonly handled: readonly string[]
}

/** A job or a run that a bulk action would act on. */
export interface BulkItem {
  /** The name of the job. For a run whose job was deleted, the id of the run. */
  readonly what: string
  /** The id of the run; `null` if the item is a job. */
  readonly run: string | null
  /** The instant that the run works for; `null` if the item is a job. */
  readonly at: string | null
  readonly endedAt: string | null
}

/** The dry run of a bulk action: the items that the action would change. */
export interface BulkPlan {
  readonly count: number
  readonly first: readonly BulkItem[]
  /** `true` if more items match than the dry run has counted. */
  readonly isPart: boolean
}

/** The progress of a backfill, or the plan that its dry run returns. */
export type BackfillView = Wire<BackfillResult>

/** The JSON body of an HTTP answer that reports an error. */
export interface ProblemView {
  readonly error: { readonly code: string; readonly message: string; readonly field: string | null }
  /** Present if the error stopped a bulk action. */
  readonly part?: BulkPart
}
