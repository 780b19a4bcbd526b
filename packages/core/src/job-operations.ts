import type { DurationInput } from './duration.ts'
import type { CallOptions } from './engine/storage-access/caller-context.ts'
import type { NodeInfo } from './engine/cluster/node-info.ts'
import type {
  BackfillOptions,
  BackfillResult,
  StopBackfillOptions,
  StopBackfillResult,
} from './engine/api/backfills.ts'
import type {
  DefinitionPlan,
  JobUpdate,
  PlanOptions,
  RemoveOptions,
  UpdateOptions,
  UpdateResult,
} from './engine/api/definitions.ts'
import type { Change, ChangesOptions } from './engine/api/changes.ts'
import type { Explanation } from './engine/api/explain.ts'
import type {
  CancelOptions,
  CancelResult,
  InterventionOptions,
  JobSelection,
  PauseOptions,
} from './engine/api/interventions.ts'
import type { JobVersion, VersionsOptions, JobDetails, JobInfo, JobsFilter } from './engine/api/job-catalog.ts'
import type {
  ReplayOptions,
  TriggerArguments,
  TriggerItem,
  TriggerManyOptions,
  TriggerManyResult,
  TriggerOptions,
  TriggerResult,
} from './engine/api/request-options.ts'
import type { WaitOptions } from './engine/api/waits.ts'
import type { OccurrenceId } from './ids.ts'
import type { InstantInput } from './instant.ts'
import type { Job } from './job/define-job.ts'
import type { Listing } from './listing.ts'
import type { Failure, ListedOccurrence, Occurrence } from './occurrence.ts'
import type { LiveState, OccurrenceState } from './storage/occurrence-record.ts'
import type { LiveCounts } from './storage/storage.ts'

/** Filter of `occurrences`: which occurrences of a job to read. */
export interface OccurrenceFilter {
  /** Name of the job whose occurrences to read. */
  readonly job: string
  /** Reads occurrences whose `scheduledAt` is at this instant or later. Default: from the oldest on. */
  readonly from?: InstantInput
  /** Reads occurrences whose `scheduledAt` lies before this instant. Default: up to the newest. */
  readonly to?: InstantInput
  /** Reads only occurrences in one of these states. Default: all states. */
  readonly states?: readonly OccurrenceState[]
  /** Order of the occurrences by `scheduledAt`. Default `ascending`. */
  readonly order?: 'ascending' | 'descending'
  /** Whether to read `tasks` of the occurrences. With `false`, `tasks` is empty and the call is faster. Default true. */
  readonly tasks?: boolean
  /** Page size: the maximum number of items, 1 to 1,000,000. Default 100. */
  readonly limit?: number
  /** The cursor of the previous page. Default: the first page. */
  readonly cursor?: string | null
}

/** Filter of `failures`: which failed occurrences to read. */
export interface FailuresFilter extends Pick<OccurrenceFilter, 'tasks' | 'limit' | 'cursor'> {
  /** Name of the job whose failures to read. Default: all jobs. */
  readonly job?: string
  /** Reads failures that ended at this instant or later. Default: from the oldest on. */
  readonly from?: InstantInput
  /** Reads failures that ended before this instant. Default: up to the newest. */
  readonly to?: InstantInput
  /** Order of the failures by `finishedAt`. Default `descending`: the newest first. */
  readonly order?: 'ascending' | 'descending'
  /**
   * Whether to list resolved failures too. Default false. A failure is resolved once a replay of it, or a backfill's run for
   * the same slot, was completed. A replay of chosen tasks resolves the failure only if the original has completed all other
   * tasks.
   */
  readonly includeResolved?: boolean
}

/** Filter of `live`: which pending, queued and running occurrences to read. */
export interface LiveFilter extends Pick<OccurrenceFilter, 'tasks' | 'limit' | 'cursor'> {
  /** State of the occurrences to read. Default `running`. */
  readonly state?: LiveState
  /** Name of a node. Reads only occurrences of this node, in all its incarnations. Default: all nodes. */
  readonly node?: string
}

/** Options of `prune`: which old occurrences to remove. */
export interface PruneOptions extends CallOptions {
  /** Name of the job whose history to prune. Default: all jobs. */
  readonly job?: string
  /** Age limit: removes final occurrences whose `scheduledAt` is longer ago than this duration. */
  readonly olderThan: DurationInput
  /** Number of latest occurrences of each job to keep in any case. Default 0. */
  readonly keep?: number
  /**
   * If true, the call only counts the occurrences that `prune` would remove, and removes none. To count them, the call reads
   * the history of the jobs. Default false.
   */
  readonly dryRun?: boolean
}

/** Operations on stored jobs and their occurrences, which schedulers and clients offer. */
export interface JobOperations {
  /**
   * Runs a job now, outside its schedule, under the job's overlap policy. Resolves when the occurrence is stored, not when it
   * has ended. `skipped` of the result says whether the overlap policy `skip` kept the request from running.
   *
   * With `transaction`, the storage writes the occurrence in that transaction. After the commit, the occurrence is pending
   * until a node claims it, even if this node has a free permit.
   * @throws JobistemerError `JOB_NOT_FOUND`, `TASK_NOT_FOUND`, `HANDLER_NOT_FOUND`; `INVALID_ARGUMENT`, `INVALID_NAME`,
   *   `INVALID_DURATION`, `UNKNOWN_OPTION` for an invalid option; `INVALID_PAYLOAD` for data that do not fit the job's payload
   *   schema, if this process has the schema; `WAIT_TIMEOUT` when that schema does not answer within the timeout;
   *   `INVALID_TRANSACTION`, `TRANSACTION_NOT_SUPPORTED`; `QUEUE_FULL` when `maxQueued` occurrences of the job are queued, or
   *   when the storage has no room for a further live occurrence of the job. With `QUEUE_FULL`, nothing is stored
   */
  trigger(name: string, options?: TriggerOptions): Promise<TriggerResult>
  /**
   * Triggers a job that `defineJob` has made. The job's payload schema defines the type of `data`, and checks `data` even if
   * this process does not run the job. In all other respects, the call works as with the job's name.
   */
  trigger<Input>(job: Job<Input>, ...options: TriggerArguments<Input>): Promise<TriggerResult>
  /**
   * Triggers up to 10,000 runs in few calls to the storage. Each item is a separate request, as in {@link trigger}: the items
   * are not atomic.
   *
   * A list with an invalid item is rejected before anything is sent. Otherwise the call resolves with one result for each item,
   * in order. The `error` of a result is one of these:
   * - `QUEUE_FULL`: the queue of the job is full.
   * - `STORAGE_REFUSED`: the storage rejects the item.
   * - `JOB_NOT_FOUND`: the job was deleted meanwhile.
   * - `STORAGE_TIMEOUT` or `ABORTED`: the storage did not answer before the timeout or the signal. An item with a `key` can be
   *   sent again.
   *
   * With `transaction`, all items commit or roll back together. The call then rejects if the storage fails. If some items were
   * already written, the transaction can only be rolled back.
   * @throws JobistemerError those of {@link trigger}, which name the field as `items[3].key`
   */
  triggerMany(items: readonly TriggerItem[], options?: TriggerManyOptions): Promise<readonly TriggerManyResult[]>
  /**
   * Runs a final occurrence again, whole or in part. The replay is a new occurrence that refers to its original.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`, `JOB_NOT_FOUND`, `TASK_NOT_FOUND`, `INVALID_ARGUMENT`,
   * `INVALID_PAYLOAD`, `QUEUE_FULL`
   */
  replay(occurrenceId: OccurrenceId, options?: ReplayOptions): Promise<TriggerResult>
  /**
   * Runs slots of a past span, at most 10,000, by the schedule that is in force now. Each slot gets a separate run outside the
   * schedule, with the slot as its `context.scheduledAt`. Resolves when the first runs are stored. With `dryRun`, the call
   * writes nothing.
   *
   * These rules apply:
   * - The node that ends a run of the backfill creates the next run.
   * - A run of the backfill is never skipped. It waits for the active occurrences of the job, except under the overlap policy
   *   `allow`.
   * - If a run could overlap the job's next slot, it runs after that slot.
   * - A second call with the same key reports the progress. If the backfill was stopped or its waiting runs were removed, that
   *   call resumes the backfill.
   * @throws JobistemerError `JOB_NOT_FOUND`, `TASK_NOT_FOUND`, `HANDLER_NOT_FOUND`, `INVALID_PAYLOAD`; `UNKNOWN_SCHEDULE_TYPE`
   *   when this process cannot revive the job's schedule; `INVALID_ARGUMENT` for a job without a schedule, an end that lies
   *   ahead, too many slots, or a key that another backfill has; `INVALID_INSTANT`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  backfill(name: string, options: BackfillOptions): Promise<BackfillResult>
  /**
   * Stops a backfill: cancels its waiting runs with the reason `backfill_stopped`, and lets its running runs end. If the
   * backfill is over or does not exist, nothing happens.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`, `UNKNOWN_OPTION`; `UNKNOWN_SCHEDULE_TYPE` when this process cannot
   *   revive the job's schedule
   */
  stopBackfill(name: string, key: string, options?: StopBackfillOptions): Promise<StopBackfillResult>
  /**
   * Cancels a waiting occurrence at once, and requests the owner of a running occurrence to stop it.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`
   */
  cancel(occurrenceId: OccurrenceId, options?: CancelOptions): Promise<CancelResult>
  /**
   * Cancels a future slot: no node will run it.
   * @throws JobistemerError `INVALID_ARGUMENT` when the job has no slot at this instant, or the instant is past;
   * `UNKNOWN_SCHEDULE_TYPE` when this node cannot revive the job's schedule
   */
  cancelSlot(name: string, at: InstantInput, options?: InterventionOptions): Promise<CancelResult>
  /**
   * Pauses a job on all nodes, until `resume` or until the end that `until` or `for` sets. During the pause no run of the job
   * starts, and the nodes record its slots as skipped. Active runs continue.
   *
   * Of several pauses the longest wins: a pause that would not end later changes nothing. For a shorter pause, resume the job
   * first.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`, `UNKNOWN_OPTION`; `INVALID_INSTANT`, `INVALID_DURATION`;
   *   `INVALID_ARGUMENT` if `until` is not in the future, or is given together with `for`
   */
  pause(name: string, options?: PauseOptions): Promise<void>
  /**
   * Pauses all jobs of a tag or an owner and returns their names. The call leaves out jobs that are already paused until the
   * end of the new pause or longer. Jobs that are added later are not paused.
   * @throws JobistemerError `INVALID_ARGUMENT` for a filter without a tag or owner, and the errors of {@link pause}
   */
  pauseAll(filter: JobSelection, options?: PauseOptions): Promise<readonly string[]>
  /**
   * Resumes all paused jobs of a tag or an owner and returns their names.
   * @throws JobistemerError as {@link pauseAll}
   */
  resumeAll(filter: JobSelection, options?: InterventionOptions): Promise<readonly string[]>
  /**
   * Lifts the pause of a job on all nodes at once, even a pause with an end. The slots that the pause skipped do not run. A job
   * that is not paused does not change. If the call gives a reason or an actor, the job's member `resumed` shows them until the
   * next pause.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  resume(name: string, options?: InterventionOptions): Promise<void>
  /**
   * Changes a job on all nodes, as a new version. An active run keeps the version that it started with. If a wrong clock has
   * moved the job ahead, `realign` sets the job back to the present; `change` may then be empty.
   * @throws JobistemerError `VERSION_CONFLICT`, `JOB_NOT_FOUND`, and the errors of `defineJob`; with `realign` also
   *   `CLOCK_UNCONFIRMED`, `UNKNOWN_SCHEDULE_TYPE`
   */
  update(name: string, change: JobUpdate, options?: UpdateOptions): Promise<UpdateResult>
  /**
   * Stores up to 10,000 jobs at run time, in few calls to the storage. A job that exists gets a new version. A job is data if
   * its tasks name handlers (`handler`, not `run`). Every node that has these handlers then runs the job.
   *
   * If one job of the list is invalid, the call stores no job. If the storage fails in the middle, some jobs are stored, and
   * the caller can repeat the call.
   * @throws JobistemerError `INVALID_ARGUMENT`; `SCHEDULE_NEVER_FIRES` for a new job whose schedule has no future instant;
   *   `DUPLICATE_JOB` for a repeated name; `DATA_TOO_LARGE`; `STORAGE_REFUSED` for a job that the storage cannot keep
   */
  add(job: Job | readonly Job[], options?: CallOptions): Promise<void>
  /**
   * Deletes a job on all nodes and cancels its waiting runs. Active runs continue to their end. The history stays until it is
   * pruned.
   * @throws JobistemerError `JOB_NOT_FOUND`, `VERSION_CONFLICT`, `UNKNOWN_OPTION`
   */
  remove(name: string, options?: RemoveOptions): Promise<void>
  /**
   * Deletes up to 10,000 jobs, in few calls to the storage. If one of the jobs does not exist, the call deletes no job. Returns
   * the names of the jobs that this call deleted, without jobs that another process deleted meanwhile.
   * @throws JobistemerError `JOB_NOT_FOUND`; `DUPLICATE_JOB` for a repeated name; `INVALID_NAME`, `INVALID_ARGUMENT`
   */
  remove(names: readonly string[], options?: CallOptions): Promise<readonly string[]>
  /**
   * Compares these definitions with the stored jobs of an owner tag. Returns which jobs a later `apply` would add, change and
   * remove. The call itself changes nothing.
   * @throws JobistemerError `INVALID_NAME`, `INVALID_ARGUMENT`, `DUPLICATE_JOB`
   */
  plan(jobs: readonly Job[], options: PlanOptions): Promise<DefinitionPlan>
  /**
   * Carries out a plan that `plan` has returned. @throws JobistemerError `INVALID_ARGUMENT`; `VERSION_CONFLICT` when a job has
   * changed since the plan was made
   */
  apply(plan: DefinitionPlan, options?: CallOptions): Promise<void>
  /**
   * Returns the next `count` slots of a job by its present schedule; 1 to 100,000, default 5. The list leaves out slots that
   * were canceled ahead. The list is shorter than `count` if the schedule ends.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_ARGUMENT`; `UNKNOWN_SCHEDULE_TYPE` when this process cannot revive the
   *   job's schedule
   */
  nextRuns(name: string, count?: number, options?: CallOptions): Promise<readonly Date[]>
  /**
   * Explains what happened, or will happen, to a job at an instant, and why.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_INSTANT`; `UNKNOWN_SCHEDULE_TYPE` for an instant without a record, when
   *   this node cannot revive the job's schedule
   */
  explain(name: string, at: InstantInput, options?: CallOptions): Promise<Explanation>
  /** Returns the nodes on the storage, sorted by name: living nodes, leaving nodes, and nodes that ended or died recently. */
  nodes(options?: CallOptions): Promise<readonly NodeInfo[]>
  /**
   * Removes old occurrences and returns the number of removed occurrences. A pruned slot never runs again.
   * @throws JobistemerError `INVALID_DURATION`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
   */
  prune(options: PruneOptions): Promise<number>
  /** Asks the storage whether any node is running an occurrence of the job. */
  isRunning(name: string, options?: CallOptions): Promise<boolean>
  /**
   * Reads occurrences of a job, even if this node does not know the job. The list is empty for a job that does not exist.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `INVALID_INSTANT`, `UNKNOWN_OPTION`
   */
  occurrences(filter: OccurrenceFilter, options?: CallOptions): Listing<ListedOccurrence>
  /**
   * Reads the failures of all jobs, or of one job, newest first. A failure is an occurrence in one of these states:
   * - `failed`
   * - `failed_stale`: its owner did not end the occurrence in time.
   * - `completed_with_errors`
   *
   * The list leaves out resolved failures, unless `includeResolved` is set.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `INVALID_INSTANT`, `UNKNOWN_OPTION`
   */
  failures(filter?: FailuresFilter, options?: CallOptions): Listing<Failure>
  /**
   * Reads the running or waiting occurrences of all jobs, with their nodes. The storage chooses the order.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  live(filter?: LiveFilter, options?: CallOptions): Listing<ListedOccurrence>
  /**
   * Reads stored jobs, page by page, including jobs whose code only other nodes have. `include` adds the last run of each job
   * and the number of its live occurrences.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  jobs(filter?: JobsFilter, options?: CallOptions): Listing<JobInfo>
  /**
   * Reads a stored job with its `lastRun`, its `counts`, its last success, and whether it is silent.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`
   */
  job(name: string, options?: CallOptions): Promise<JobDetails>
  /**
   * Reads an occurrence with its tasks and attempts, and the name of its job.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`
   */
  occurrence(id: OccurrenceId, options?: CallOptions): Promise<ListedOccurrence>
  /**
   * Waits until an occurrence has ended on any node, and returns it with its tasks and results. If the run ends on this node,
   * the call resolves at once. Otherwise the call polls the storage, with pauses that grow from 100 ms to 2 s.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`; `WAIT_TIMEOUT` and `ABORTED` when the timeout or the signal ends the wait;
   *   `STORAGE_TIMEOUT` when the storage does not answer, or when a client cannot connect within the timeout; `SCHEDULER_STATE`
   *   when this scheduler is shut down
   */
  waitFor(id: OccurrenceId, options?: WaitOptions): Promise<Occurrence>
  /**
   * Iterates over changes of stored data. From a change, open pages and waiting scripts learn which data to read again: `for
   * await (const { kind } of client.changes()) …`. A change names the kind of data, not the new values. The first change is
   * `start`. Data that the caller reads after `start` stays current until a further change.
   *
   * How this process finds changes:
   * - While an iteration waits, this process polls the storage once per `interval`. After wake-ups, this process polls up to
   *   four times a second. Without a waiting iteration, the client does not poll.
   * - A poll usually takes five small calls, and at most twelve, whatever the size of the storage.
   * - All iterations of one client share the polls. The iteration merges unread changes, so a slow reader misses none and
   *   delays no other reader.
   * - A poll compares counts, next slots, running occurrences, the latest failures, definitions and nodes.
   * - While this process iterates, it observes heartbeats. A node is lost if this process has seen no heartbeat of that node
   *   for its `deadAfter`.
   *
   * A poll does not detect the following data. A page that shows such data must read it again every few seconds:
   * - a triggered run that begins and completes on another node between two polls; on DynamoDB this applies to any run
   * - progress of runs
   * - removal by retention
   *
   * If the storage fails, the iteration yields `away`, and `back` once the storage answers again. The iteration ends in these
   * cases:
   * - The caller leaves it, or the `signal` fires.
   * - The program closes this client, or shuts down this scheduler.
   * - The storage is closed or gone for good (`STORAGE_CLOSED`, `STORAGE_REPLACED`). The iteration first yields `away`.
   * @throws JobistemerError at once `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION`; `SCHEDULER_STATE` when this
   *   client is closed, or this scheduler does not run
   */
  changes(options?: ChangesOptions): AsyncIterable<Change>
  /**
   * Reads the versions of a job, newest first, with the changes of each. Pruning removes old versions that no
   * occurrence refers to.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_ARGUMENT`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  versions(name: string, options?: VersionsOptions): Promise<readonly JobVersion[]>
  /**
   * Counts the pending, queued and running occurrences of a job or of all jobs. The cost does not depend on the number of
   * occurrences.
   */
  counts(name?: string, options?: CallOptions): Promise<LiveCounts>
}
