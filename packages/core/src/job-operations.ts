import type { DurationInput } from './duration.ts'
import type { CallOptions } from './engine/storage-access/caller-context.ts'
import type { NodeInfo } from './engine/cluster/process/node-info.ts'
import type {
  BackfillOptions,
  BackfillResult,
  StopBackfillOptions,
  StopBackfillResult,
} from './engine/api/backfill-options.ts'
import type { DefinitionPlan, JobUpdate, PlanOptions, UpdateOptions, UpdateResult } from './engine/api/definitions.ts'
import type { Change } from './engine/api/change.ts'
import type { ChangesOptions } from './engine/api/changes.ts'
import type { Explanation } from './engine/api/explain.ts'
import type { CancelOptions, CancelResult, InterventionOptions } from './engine/api/interventions.ts'
import type { JobSelection } from './engine/api/bulk-pauses.ts'
import type { PauseOptions } from './engine/api/pause-options.ts'
import type { JobVersion, VersionsOptions } from './engine/api/job-versions.ts'
import type { JobDetails, JobInfo, JobsFilter } from './engine/api/job-catalog.ts'
import type { RealignedJob } from './engine/api/realign.ts'
import type { RemoveOptions } from './engine/api/removals.ts'
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

/** Which occurrences of a job to read. */
export interface OccurrenceFilter {
  /** Its name. */
  readonly job: string
  /** Inclusive. */
  readonly from?: InstantInput
  /** Exclusive. */
  readonly to?: InstantInput
  /** Only those in one of these states. Default: all. */
  readonly states?: readonly OccurrenceState[]
  /** Default `ascending` by `scheduledAt`. */
  readonly order?: 'ascending' | 'descending'
  /** False leaves their `tasks` empty, which is quicker. Default true. */
  readonly tasks?: boolean
  /** At most so many on a page, 1 to 1,000,000. Default 100. */
  readonly limit?: number
  /** Of the page before. Default: from the first one. */
  readonly cursor?: string | null
}

/** Which failures to read. */
export interface FailuresFilter extends Pick<OccurrenceFilter, 'tasks' | 'limit' | 'cursor'> {
  /** The name of their job. Default: all jobs. */
  readonly job?: string
  /** Ended at this instant or after it. */
  readonly from?: InstantInput
  /** Ended before this instant. */
  readonly to?: InstantInput
  /** Default `descending` by `finishedAt`: the newest first. */
  readonly order?: 'ascending' | 'descending'
  /**
   * Lists resolved failures too: a replay, or a run of a backfill for the same slot, was completed since. A replay of chosen
   * tasks resolves a failure if the original has completed all other tasks. Default false.
   */
  readonly includeResolved?: boolean
}

/** Which occurrences that are not over to read. */
export interface LiveFilter extends Pick<OccurrenceFilter, 'tasks' | 'limit' | 'cursor'> {
  /** Default `running`. */
  readonly state?: LiveState
  /** Only what this node runs, in any of its lives. */
  readonly node?: string
}

/** Which old occurrences to remove. */
export interface PruneOptions extends CallOptions {
  /** Default: all jobs. */
  readonly job?: string
  /** Occurrences that ended and were scheduled longer ago than this are removed. */
  readonly olderThan: DurationInput
  /** The latest so many of each job are kept all the same. Default 0. */
  readonly keep?: number
  /** Only count what would be removed. Reads the history that is older. Default false. */
  readonly dryRun?: boolean
}

/** What can be asked of stored jobs and their occurrences: by a scheduler, and by a client, which runs nothing. */
export interface JobOperations {
  /**
   * Runs a job now, outside its schedule, under its overlap policy. Resolves when the occurrence is stored, not when it
   * has ended. With `transaction` it is stored with that: it waits then, whatever room there is, and nobody else sees it
   * before the commit. `skipped` of the result says whether the overlap policy `skip` dropped the request.
   * @throws JobistemerError `QUEUE_FULL` when `maxQueued` occurrences of the job are queued, or the storage has no room
   * for a further live occurrence of the job: nothing is stored then;
   * `JOB_NOT_FOUND`, `TASK_NOT_FOUND`, `HANDLER_NOT_FOUND`, and `INVALID_ARGUMENT`, `INVALID_NAME`, `INVALID_DURATION`
   * or `UNKNOWN_OPTION` for a bad option; `INVALID_PAYLOAD` for data that do not fit the job's payload schema, where this
   * process has that; `WAIT_TIMEOUT` when that schema does not answer within the timeout; `INVALID_TRANSACTION`, `TRANSACTION_NOT_SUPPORTED`
   */
  trigger(name: string, options?: TriggerOptions): Promise<TriggerResult>
  /**
   * The same of a job as `defineJob` has made it: its payload schema says what `data` can be, to the compiler too, and
   * holds also where this process does not run the job.
   */
  trigger<Input>(job: Job<Input>, ...options: TriggerArguments<Input>): Promise<TriggerResult>
  /**
   * Runs many jobs now, or one many times: what {@link trigger} does for each item, in few calls to the storage. At most
   * 10,000 items.
   *
   * Each item is a request of its own: they are not stored together or not at all. A list with a wrong item is refused
   * before anything is sent. After that the call does not reject any more: it answers in the order of the items, with an
   * `error` for each item that the queue of its job does not hold (`QUEUE_FULL`), that the storage refuses
   * (`STORAGE_REFUSED`), whose job was deleted meanwhile (`JOB_NOT_FOUND`), or whose answer did not come in time (`STORAGE_TIMEOUT`, `ABORTED`). An item with a `key` can be sent again.
   *
   * With `transaction` all of them stand or fall with that. Then the call rejects when the storage fails, and where some
   * were written before, the transaction can only be rolled back.
   * @throws JobistemerError those of {@link trigger}, which name the field as `items[3].key`
   */
  triggerMany(items: readonly TriggerItem[], options?: TriggerManyOptions): Promise<readonly TriggerManyResult[]>
  /**
   * Runs an occurrence that has ended once more, whole or in part, as a new occurrence that is linked to it.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`, `JOB_NOT_FOUND`, `TASK_NOT_FOUND`, `INVALID_ARGUMENT`,
   * `INVALID_PAYLOAD`, `QUEUE_FULL`
   */
  replay(occurrenceId: OccurrenceId, options?: ReplayOptions): Promise<TriggerResult>
  /**
   * Runs slots of a past span once more, or for the first time: those of the schedule that is in force now. Each is a run
   * of its own, outside the schedule, whose `context.scheduledAt` is the slot. At most 10,000 slots. With `dryRun` nothing
   * is written.
   *
   * Resolves when the first ones are stored. From then on the nodes go on by themselves: whoever ends one run creates the
   * next, so that a backfill outlives its caller and every node. Called again with its key it says how far it is, and
   * goes on where it had come to a halt: it was stopped, or what waited was removed.
   *
   * Under every overlap policy but `allow` one of its runs waits for what is active, and is not skipped; one that could
   * meet the next slot comes after that.
   * @throws JobistemerError `JOB_NOT_FOUND`, `TASK_NOT_FOUND`, `HANDLER_NOT_FOUND`, `INVALID_PAYLOAD`;
   * `UNKNOWN_SCHEDULE_TYPE` when this process cannot revive the job's schedule; `INVALID_ARGUMENT` for a job without a
   * schedule, an end that lies ahead, too many slots, or a key that another backfill has; `INVALID_INSTANT`,
   * `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  backfill(name: string, options: BackfillOptions): Promise<BackfillResult>
  /**
   * Stops a backfill: what waits of it is canceled with the reason `backfill_stopped`, what runs may end and is the last.
   * One that is over, or never was, has nothing that waits: nothing happens.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`, `UNKNOWN_OPTION`; `UNKNOWN_SCHEDULE_TYPE` when this process
   * cannot revive the job's schedule
   */
  stopBackfill(name: string, key: string, options?: StopBackfillOptions): Promise<StopBackfillResult>
  /**
   * Cancels a waiting occurrence at once, and asks the owner of a running one to stop.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`
   */
  cancel(occurrenceId: OccurrenceId, options?: CancelOptions): Promise<CancelResult>
  /**
   * Cancels a slot that lies ahead: no node will run it.
   * @throws JobistemerError `INVALID_ARGUMENT` when the job has no slot there, or it lies behind;
   * `UNKNOWN_SCHEDULE_TYPE` when this node cannot revive the job's schedule
   */
  cancelSlot(name: string, at: InstantInput, options?: InterventionOptions): Promise<CancelResult>
  /**
   * Stops a job on all nodes, until it is resumed or, with `until` or `for`, until then: slots meanwhile are recorded as
   * skipped, nothing of it starts, what runs may end. Whether a slot lies in the pause goes by the instant of the slot.
   *
   * Of several pauses the one that holds longer wins: one without an end replaces one with an end, a later end an earlier
   * one. One that would end sooner, or at the same time, changes nothing; for a shorter pause, resume the job first.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`, `UNKNOWN_OPTION`; `INVALID_INSTANT`, `INVALID_DURATION`;
   * `INVALID_ARGUMENT` for `until` that does not lie ahead, or beside `for`
   */
  pause(name: string, options?: PauseOptions): Promise<void>
  /**
   * Pauses all jobs of a tag or an owner, but for those that are paused for as long anyway. Answers their names. One that
   * comes later is not paused.
   * @throws JobistemerError `INVALID_ARGUMENT` for a filter that names neither, and those of {@link pause}
   */
  pauseAll(filter: JobSelection, options?: PauseOptions): Promise<readonly string[]>
  /**
   * Resumes all jobs of a tag or an owner that are paused. Answers their names.
   * @throws JobistemerError as {@link pauseAll}
   */
  resumeAll(filter: JobSelection, options?: InterventionOptions): Promise<readonly string[]>
  /**
   * Lifts a pause on all nodes, at once, also one with an end. Slots inside it are not made up for. A job that is not paused stays as it is.
   * With a reason or an actor, `resumed` of the job says who lifted it, and why, until it is paused again.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  resume(name: string, options?: InterventionOptions): Promise<void>
  /**
   * Changes a job on all nodes, as a new version. What runs keeps the version that it started with.
   * @throws JobistemerError `VERSION_CONFLICT`, `JOB_NOT_FOUND`, and those of `defineJob`
   */
  update(name: string, change: JobUpdate, options?: UpdateOptions): Promise<UpdateResult>
  /**
   * Stores a job at run time, or up to 10,000 of them. One that is data alone (`handler`, not `run`) runs on every node
   * with its handlers; one that exists becomes its next version.
   *
   * A list goes out in few calls to the storage. If one of its jobs is wrong, none is stored. Each job is stored whole, but
   * the list is not: when the storage fails in the middle, some are stored, and the same call can be repeated.
   * @throws JobistemerError `INVALID_ARGUMENT`; `SCHEDULE_NEVER_FIRES` for a new job whose schedule has no instant any
   * more, such as one whose end lies behind; `DUPLICATE_JOB` for two of one name; `DATA_TOO_LARGE`; `STORAGE_REFUSED` for one that the storage cannot keep
   */
  add(job: Job | readonly Job[], options?: CallOptions): Promise<void>
  /**
   * Deletes a job on all nodes: what waits is canceled, what runs may end, its history stays until it is pruned.
   * @throws JobistemerError `JOB_NOT_FOUND`, `VERSION_CONFLICT`, `UNKNOWN_OPTION`
   */
  remove(name: string, options?: RemoveOptions): Promise<void>
  /**
   * Deletes up to 10,000 jobs, in few calls to the storage. If this scheduler does not have one of them, none is deleted.
   * Answers the names of those that were deleted by this call: all, but for those that were deleted elsewhere meanwhile.
   * @throws JobistemerError `JOB_NOT_FOUND`; `DUPLICATE_JOB` for a name that is there twice; `INVALID_NAME`,
   * `INVALID_ARGUMENT`
   */
  remove(names: readonly string[], options?: CallOptions): Promise<readonly string[]>
  /**
   * What storing these definitions under an owner tag would add, change and remove. Changes nothing.
   * @throws JobistemerError `INVALID_NAME`, `INVALID_ARGUMENT`, `DUPLICATE_JOB`
   */
  plan(jobs: readonly Job[], options: PlanOptions): Promise<DefinitionPlan>
  /** Does what a plan shows. @throws JobistemerError `INVALID_ARGUMENT`; `VERSION_CONFLICT` when a job has changed since */
  apply(plan: DefinitionPlan, options?: CallOptions): Promise<void>
  /**
   * Sets a job back to the present, or all jobs of the storage, whose slots were decided ahead by a clock that was wrong
   * (event `job.ahead`). Answers those that were: none, when all are well. Slots that ran ahead of their time do not run
   * again, nor does one that was recorded as missed by itself. Those for which a range of missed slots or a later run
   * stood run when their time comes.
   * Slots up to where history was pruned never run. Deleting a job and adding it again does not set it back.
   * @throws JobistemerError `CLOCK_UNCONFIRMED` while a clock that has jumped is not confirmed; `JOB_NOT_FOUND`,
   * `UNKNOWN_SCHEDULE_TYPE`
   */
  realign(name?: string, options?: CallOptions): Promise<readonly RealignedJob[]>
  /**
   * The next `count` slots of a job as it is scheduled now; 1 to 100,000, default 5. Slots that were canceled ahead are left
   * out. Fewer when there are no more.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_ARGUMENT`; `UNKNOWN_SCHEDULE_TYPE` when this process cannot revive
   * the job's schedule
   */
  nextRuns(name: string, count?: number, options?: CallOptions): Promise<readonly Date[]>
  /**
   * What became of an instant of a job, or will, and why.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_INSTANT`; `UNKNOWN_SCHEDULE_TYPE` for an instant without a record,
   * when this node cannot revive the job's schedule
   */
  explain(name: string, at: InstantInput, options?: CallOptions): Promise<Explanation>
  /**
   * The nodes on the storage, by name: those that work, those that are leaving, and those that have ended or died not long
   * ago.
   */
  nodes(options?: CallOptions): Promise<readonly NodeInfo[]>
  /**
   * Removes old history. Never makes an old slot run again. Answers how many occurrences were removed.
   * @throws JobistemerError `INVALID_DURATION`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
   */
  prune(options: PruneOptions): Promise<number>
  /** Whether an occurrence of the job is running on any node: asks the storage. */
  isRunning(name: string, options?: CallOptions): Promise<boolean>
  /**
   * Reads occurrences of a job, also of one that this node does not know; none for a job that does not exist.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `INVALID_INSTANT`, `UNKNOWN_OPTION`
   */
  occurrences(filter: OccurrenceFilter, options?: CallOptions): Listing<ListedOccurrence>
  /**
   * Reads what failed, of all jobs or of one, the newest first: occurrences that are `failed`, `failed_stale` (no node
   * ended them) or `completed_with_errors`. It leaves out failures that are resolved, unless `includeResolved` is set.
   * Costs the same however long the history is: the runs that resolve a failure are found by its id.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `INVALID_INSTANT`, `UNKNOWN_OPTION`
   */
  failures(filter?: FailuresFilter, options?: CallOptions): Listing<Failure>
  /**
   * Reads what runs, and where, or what waits, of all jobs, in an order of the storage's choice.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  live(filter?: LiveFilter, options?: CallOptions): Listing<ListedOccurrence>
  /**
   * Reads stored jobs, page by page, whoever has their code; with `include` also how each ended last, and how many of
   * its occurrences live.
   * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  jobs(filter?: JobsFilter, options?: CallOptions): Listing<JobInfo>
  /**
   * Reads a stored job, with its `lastRun`, its `counts`, its last success, and whether it is silent.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_NAME`
   */
  job(name: string, options?: CallOptions): Promise<JobDetails>
  /**
   * Reads an occurrence with its tasks and attempts, and the name of its job.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`
   */
  occurrence(id: OccurrenceId, options?: CallOptions): Promise<ListedOccurrence>
  /**
   * Waits until an occurrence has ended, on whatever node, and answers it with its tasks and results. What runs here is
   * known at once; otherwise the storage is asked, after 100 ms at first and every 2 s at last.
   * @throws JobistemerError `OCCURRENCE_NOT_FOUND`; `WAIT_TIMEOUT` and `ABORTED` when the waiting ends first;
   * `STORAGE_TIMEOUT` when the storage does not answer, also to a client that has to connect within the time of the waiting;
   * `SCHEDULER_STATE` when this scheduler is shut down
   */
  waitFor(id: OccurrenceId, options?: WaitOptions): Promise<Occurrence>
  /**
   * Says what to read again, for pages that stay open and scripts that wait for something:
   * `for await (const { kind } of client.changes()) …`. Coarse: what has changed, not how.
   *
   * The first is `start`: what is read after it is not out of date without a further change. While somebody waits for a
   * change, the storage is looked at once per `interval`, and up to four times a second when it wakes this process; a look
   * is at most a dozen small calls, mostly five, however much it holds. All iterations of one client share the looks; when
   * nobody waits there are none. Changes that nobody has read yet are merged, so a slow reader misses none and holds up
   * nothing.
   *
   * A storage that fails ends nothing: `away` is said, and `back` when it answers again. The iteration ends when it is
   * left, when the `signal` fires, and when this client is closed or this scheduler shut down; also, after `away`, when
   * this process has closed the storage, or lost it for good (`STORAGE_CLOSED`, `STORAGE_REPLACED`).
   *
   * A look compares counts, the next slots, what runs, the latest failures, definitions and nodes. What leaves no trace
   * in these is not told: a triggered run that begins elsewhere and ends well between two looks, or any where the
   * storage cannot find next slots (DynamoDB); how far a run has come; what retention removes. A page that shows these reads
   * them again every few seconds.
   * A node is lost when this process has seen no heartbeat of it for its `deadAfter`, while it iterates.
   * @throws JobistemerError at once `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION`; `SCHEDULER_STATE` when this
   * client is closed, or this scheduler does not run
   */
  changes(options?: ChangesOptions): AsyncIterable<Change>
  /**
   * Reads the versions of a job, the newest first, with what each has changed. Old ones that no occurrence refers to go
   * with the history.
   * @throws JobistemerError `JOB_NOT_FOUND`, `INVALID_ARGUMENT`, `INVALID_NAME`, `UNKNOWN_OPTION`
   */
  versions(name: string, options?: VersionsOptions): Promise<readonly JobVersion[]>
  /** How many occurrences of a job, or of all jobs, are pending, queued and running. Costs the same however many. */
  counts(name?: string, options?: CallOptions): Promise<LiveCounts>
}
