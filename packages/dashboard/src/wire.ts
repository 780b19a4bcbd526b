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

/** The JSON form of a value: instants become texts. */
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

/** The session of the page. */
export interface Session {
  readonly readOnly: boolean
  readonly now: string
  /** The meaning of each state of a run, in a sentence. */
  readonly states: Readonly<Record<string, string>>
}

/** A value of any size; for a long value, its beginning. */
export type Shown =
  | { readonly kind: 'whole'; readonly value: JsonValue }
  | { readonly kind: 'beginning'; readonly text: string; readonly length: number }
  | { readonly kind: 'hidden' }

/** An error in one line. */
export interface ErrorLine {
  readonly task: string
  readonly name: string
  readonly code: string | null
  /** `null`: hidden. */
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
  /** The instant that a replay or a run of a backfill works for; `null` if it is `scheduledAt`. */
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
  /** The completed run that resolves a failure; `null` for other runs. */
  readonly resolvedBy: string | null
}

/** A task in the grid of a job: the place of its name in {@link GridPage}, its state, its attempts, and how long it took. */
export type GridTask = readonly [name: number, state: TaskReport['state'], attempts: number, durationMs: number | null]

/** A run in the grid of a job. */
export interface GridRun {
  readonly id: string
  readonly state: Occurrence['state']
  /** The instant that it works for. */
  readonly at: string
  /** `null`: the run has not ended, or never started. */
  readonly tookMs: number | null
  readonly tasks: readonly GridTask[]
}

/** Runs of a job in few bytes: a grid has thousands of cells. */
export interface GridPage {
  /** The names of their tasks. */
  readonly names: readonly string[]
  /** The newest first. */
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
  /** No living node has its code. */
  readonly hasNoCode: boolean
  readonly paused: Wire<JobInfo['paused']>
  readonly lastRun: Wire<JobInfo['lastRun']> | null
  readonly counts: LiveCounts | null
}

/** The actions on a job that the user may do. */
export type Rights = Readonly<Record<Exclude<DashboardAction, 'open' | 'view'>, boolean>>

/** A task of a job. */
export interface TaskOfJob {
  readonly name: string
  readonly handler: string | null
  readonly isolation: JobTaskInfo['isolation']
  readonly data: Shown | null
}

/** The data of the page of a job. */
export interface JobView extends JobLine {
  readonly version: number
  readonly settings: Wire<JobDetails['settings']>
  readonly tasks: readonly TaskOfJob[]
  readonly createdAt: string
  readonly changedAt: string
  /** The last resume of the job. */
  readonly resumed: Wire<JobInfo['resumed']>
  readonly lastSuccessAt: string | null
  readonly silentSince: string | null
  readonly rights: Rights
  readonly hidden: readonly HiddenKind[]
}

/** A task in the timeline of a run. */
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

/** The data of the page of a run, without logs, errors and results of tasks. */
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

/** Waiting and running runs of the jobs that the viewer may see. */
export interface CountsView extends LiveCounts {
  /** The request has reached its limit of questions to `authorize`: there may be more jobs. */
  readonly isPart: boolean
}

/** The first data of the overview. */
export interface Overview {
  readonly counts: CountsView
  readonly failures: readonly RunLine[]
  readonly running: readonly RunLine[]
  readonly waiting: readonly RunLine[]
  /** Lists that were not read to their end. Even if such a list is empty, there may be further items. */
  readonly isPart: { readonly failures: boolean; readonly running: boolean; readonly waiting: boolean }
  readonly nodes: readonly Wire<NodeInfo>[]
}

/** The result of a reading of all jobs. */
export interface SurveyView {
  /** When all jobs were read. */
  readonly at: string
  /** Jobs that the viewer may see. The other counts are of these, too. */
  readonly jobs: number
  /** There are more items, which were not read. */
  readonly isPart: boolean
  readonly paused: number
  readonly late: readonly JobLine[]
  readonly lateCount: number
  readonly failing: readonly JobLine[]
  readonly failingCount: number
  /** No living node has their code. */
  readonly withoutCode: readonly JobLine[]
  readonly withoutCodeCount: number
  /** Jobs that are late, that failed last or that have no code, each counted once. */
  readonly attentionCount: number
  readonly upcoming: readonly { readonly job: string; readonly at: string }[]
  /** The request could not ask about all jobs: the viewer may see more of them. */
  readonly isAskedPart: boolean
}

/** The jobs that are late. */
export interface LateView extends Page<JobLine> {
  /** When the jobs were read. */
  readonly at: string
  /** How many the viewer may see. */
  readonly count: number
  /** There are more jobs, which were not read. */
  readonly isPart: boolean
}

/** A backfill that runs, was stopped or has ended. */
export interface BackfillLine {
  readonly job: string
  readonly key: string
  /** `stopped`: nothing of it waits or runs, and some of its slots are still to be run. `ended`: none is. */
  readonly state: 'running' | 'stopped' | 'ended'
  /** When its last run ended; `null` while it runs. */
  readonly endedAt: string | null
  readonly from: string
  readonly to: string
  readonly which: BackfillReference['which']
  readonly order: BackfillReference['order']
  readonly actor: string | null
  readonly reason: string | null
  /** A run of the backfill, which a request to continue the backfill names. */
  readonly run: string
  /** The progress; `null` if this process cannot compute it. */
  readonly progress: BackfillView | null
  /** The user may stop and continue the backfill. */
  readonly mayAct: boolean
}

/** Backfills, running ones first. */
export interface BackfillsView {
  readonly items: readonly BackfillLine[]
  /** There are more items, which were not read. */
  readonly isPart: boolean
  /** Latest ended runs of the job that were read; `null`: all were read, or the list is of all jobs. */
  readonly readRuns: number | null
}

/** A version of a job, with what it has changed. */
export interface VersionView {
  readonly version: number
  readonly createdAt: string
  readonly isFirstKnown: boolean
  /** Why `update` made this version, and who called it. */
  readonly reason: string | null
  readonly actor: string | null
  readonly changes: readonly { readonly name: string; readonly before: string; readonly after: string }[]
  readonly tasks: Wire<JobVersion['tasks']> | null
}

/** The result of a bulk action for one part of the matching items. */
export interface BulkAnswer {
  readonly done: number
  readonly failed: readonly { readonly what: string; readonly message: string }[]
  /** The cursor of the next part; `null` after the last part. */
  readonly cursor: string | null
}

/** A job or a run that a bulk action would act on. */
export interface BulkItem {
  /** The name of the job, or the id of a run whose job was deleted. */
  readonly what: string
  /** `null`: it is a job. */
  readonly run: string | null
  /** The instant that the run works for. */
  readonly at: string | null
  readonly endedAt: string | null
}

/** The plan of a bulk action. */
export interface BulkPlan {
  readonly count: number
  readonly first: readonly BulkItem[]
  /** There are more than were counted. */
  readonly isPart: boolean
}

/** The progress or the plan of a backfill. */
export type BackfillView = Wire<BackfillResult>

/** The error of an answer. */
export interface ProblemView {
  readonly error: { readonly code: string; readonly message: string; readonly field: string | null }
}
