import type { JobId, OccurrenceId } from '../ids.ts'
import type { JobRecord, JobVersionRecord, PauseRecord } from './job-record.ts'
import type { NodeRecord, NodeProfile } from './node-record.ts'
import type {
  FinalState,
  OccurrenceAddress,
  OccurrenceDetails,
  OccurrenceRecord,
  OccurrenceState,
  Owner,
  SlotSpan,
  TaskRunRecord,
} from './occurrence-record.ts'

/**
 * The storage protocol, version 1.
 *
 * - Arrays in, arrays out: answers stand in the order of the items. Each item is atomic by itself and never affects
 *   its neighbours; items of one call take effect in their order.
 * - Expected contention is an answer, never an exception. An exception means that the storage failed, and that nothing
 *   or anything of the call may have happened; every call can be repeated and answers as the first would have.
 * - Adapters read no clock: `now` is an argument. All instants are epoch milliseconds.
 * - Arguments are valid: core has checked them.
 */
export interface Storage {
  /** The version of the protocol that the adapter speaks. */
  readonly specVersion: 1
  /** What tunes the engine. Safety is never a capability. */
  readonly capabilities: StorageCapabilities

  /** Creates, replaces, pauses, resumes and deletes jobs. */
  saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]>

  /**
   * Creates occurrences that do not exist, applying the overlap rule of their job and, with `runs`, starting them in
   * the same atomic step; advances the job's watermark and next instant in that step too.
   */
  createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]>

  /** Takes due pending occurrences, least `orderAt` first, and makes them running with a new token. */
  claim(request: ClaimRequest): Promise<ClaimAnswer>

  /** What the owner of a running occurrence says of it. Guarded by the token and the owner. */
  settle(request: SettleRequest): Promise<readonly SettleAnswer[]>

  /** Cancels waiting occurrences, and asks for or forces the cancellation of running ones. */
  cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]>

  /** Takes running occurrences from owners that do not settle them. */
  reap(request: ReapRequest): Promise<readonly ReapAnswer[]>

  /** Reads by id. `null` stands for what does not exist. */
  get(request: GetRequest): Promise<GetAnswer>

  /** Reads jobs, in the order of their ids. */
  listJobs(query: JobQuery): Promise<Page<JobRecord>>

  /** Reads occurrences of one job, or of all jobs those that live or that failed. */
  listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>>

  /** Removes finished history and raises the prune floor of the jobs concerned in the same step. */
  prune(request: PruneRequest): Promise<PruneAnswer>

  /** Writes what a node says of itself, and reads what all nodes have said. */
  heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer>

  /**
   * What is written in a transaction that somebody else has begun and will end, where the storage can do that.
   * @throws JobistemerError `INVALID_TRANSACTION` for what is none, or is one on other data; it names what is accepted
   */
  within?(transaction: unknown): StorageWithin

  /** The storage's own clock in epoch milliseconds, where it has one that several nodes share. */
  serverTime?(): Promise<number>

  /**
   * Calls the listener when another connection has changed something, and not for what this one has written. Losing a call
   * costs latency only.
   */
  subscribe?(listener: (wakeUp: WakeUp) => void): () => void

  /** Ends every use; further calls reject with `STORAGE_CLOSED`. Closing twice is allowed. */
  close(): Promise<void>
}

/**
 * A storage inside a transaction of somebody else's: what it writes is there for others from the commit on, and never
 * when that does not come. It neither begins nor ends the transaction. A call that rejects has written nothing in it, and
 * leaves it as it was, or makes its commit impossible.
 *
 * What it locks stays locked until the transaction ends.
 */
export interface StorageWithin extends Pick<Storage, 'createOccurrences' | 'settle'> {
  /**
   * From here on the transaction cannot be committed, whoever tries: it can only be rolled back. What it holds, and its
   * savepoints, may be gone at once. Also of a storage that is closed: whoever hears that and goes on must not commit the
   * rest.
   */
  forbidCommit(): Promise<void>
}

/** What a storage is good at. */
export interface StorageCapabilities {
  /** Items per call that suit this storage best; the engine sends no more. At least 1. */
  readonly maxBatch: number
  /**
   * While a call with ends is under way, so many more make a further one worthwhile. Less than `maxBatch` is for a storage that
   * works on several calls at the same time, and to which a call costs little besides its items. Default `maxBatch`.
   */
  readonly worthwhileBatch?: number
  /** True when several processes can use the same data at once. */
  readonly multiProcess: boolean
  /** What a resolved write survives: nothing, `kill -9` of every node, or a power cut. */
  readonly durability: 'none' | 'process' | 'power'
  /** How many occurrences of one job may be queued; a larger `maxQueued` is refused. Default: any number. */
  readonly maxQueued?: number
  /** How fine `serverTime` is, in milliseconds. Default 1. */
  readonly serverTimeResolutionMs?: number
  /**
   * Whether `listJobs` takes `due`: jobs are found by their next instant, at a cost that follows how many are found and
   * not how many there are. Default false.
   */
  readonly findsDueJobs?: boolean
  /** Whether `settle` heeds `takeNext`. Default false: then it wakes what it would have taken. */
  readonly takesNext?: boolean
  /** How often a node shall say that it lives, unless its options say otherwise, in milliseconds. Default 5,000. */
  readonly heartbeatMs?: number
}

/** That another connection has changed something, for `subscribe`. */
export interface WakeUp {
  /**
   * `due`: work may wait for a node. `cancel`: a running occurrence is to end. `jobs`: a definition or a pause changed.
   * `nodes`: a node has come, or is leaving, see `isNodesNews`.
   */
  readonly kind: 'due' | 'cancel' | 'jobs' | 'nodes'
}

// ---------------------------------------------------------------------------------------------------------- saveJobs

/** What `saveJobs` takes. */
export interface SaveJobsRequest {
  readonly now: number
  /** Each is atomic by itself; they take effect in this order. */
  readonly changes: readonly JobChange[]
  /**
   * At most so many waiting occurrences are canceled by each `delete`, each `replace` and each `create`, so that no call
   * blocks for long. At least 1. Default: all of them.
   */
  readonly cancelLimit?: number
}

/** The members of {@link JobRecord} that a definition decides. */
export type JobContent = Pick<
  JobRecord,
  'name' | 'owner' | 'fingerprint' | 'definition' | 'handlerKey' | 'overlap' | 'timeline' | 'nextAt'
>

/** One atomic change of a job. */
export type JobChange =
  /**
   * Stores a job that does not exist, as version 1 with `createdAt = changedAt = now` and `watermark = now`. Over a
   * tombstone: the version after the tombstone's, its prune floor, and as watermark the latest of its own, that floor and
   * `now`.
   * `conflict` when the tombstone's job has decided about `nextAt`, and while more of its occurrences wait than
   * `cancelLimit` allows to cancel: each try cancels some.
   */
  | { readonly kind: 'create'; readonly id: JobId; readonly content: JobContent }
  /**
   * Replaces the content when version and watermark are still the expected ones: version + 1, the old fingerprint at
   * the head of the lineage. Under the overlap policy `allow` every occurrence that is still queued becomes pending in
   * the same step, or in the one that cancels the last of these; of very many some may follow in steps that come before the
   * next claim takes anything:
   *
   * With `waiting: 'cancel'` pending and queued slots become `canceled` with the reason `updated`. Triggers and replays
   * are kept, and slots that a node has started: one that is handed back by it, before or after, is finished. With more
   * than `cancelLimit` the head keeps the new version as `cancelsBelow`, the answer says `more`, and none of the rest
   * ever starts: the same change, repeated, cancels the next, also under a later version, unless that one cancels too;
   * and so do the steps on the job's occurrences that come upon them.
   *
   * `setBackTo` also sets the watermark back to an instant before it, because a clock that was wrong has moved it ahead.
   * Nothing else ever does. The content's next instant lies after it; otherwise, and when the watermark is not after it,
   * `conflict`. The content's next instant always lies after the prune floor: a `prune` may have raised the floor since
   * the sender read the head, and then the answer is `conflict`. Records stay: a slot that has one is passed when its time comes again.
   */
  | {
      readonly kind: 'replace'
      readonly id: JobId
      readonly content: JobContent
      readonly expectedVersion: number
      readonly expectedWatermark: number
      readonly waiting: 'keep' | 'cancel'
      readonly setBackTo?: number
    }
  /**
   * Sets or lifts (`null`) the pause. No new version. Of two pauses the one that holds longer wins, see `changesPause`:
   * one that ends no later than the stored one answers `unchanged`, and so does lifting one that is over by `now`.
   *
   * A pause with `until` is over then, and nothing is written for that: `paused` stays in the head, and each step compares
   * it with its own `now`, or with the `scheduledAt` of a slot. `claim` finds what waits from then on.
   */
  | { readonly kind: 'pause'; readonly id: JobId; readonly paused: PauseRecord | null }
  /**
   * Makes the job a tombstone; what waits is canceled with the reason `deleted`; what runs may end. With more waiting than
   * `cancelLimit` the answer says `more`, and none of the rest ever starts: the same change, repeated, cancels the next,
   * and so does what `claim` finds of it.
   */
  | { readonly kind: 'delete'; readonly id: JobId; readonly expectedVersion: number | null }

/** `job` is the head as it is stored after the step. */
export type SaveJobAnswer =
  | {
      readonly outcome: 'saved'
      readonly job: JobRecord
      /** What `replace` and `delete` canceled. */
      readonly canceled: readonly OccurrenceAddress[]
      /** Others wait that are to be canceled: repeat the change. */
      readonly more?: true
    }
  /** The job is already as the change wants it, or (`create`) exists. */
  | { readonly outcome: 'exists' | 'unchanged'; readonly job: JobRecord }
  /** Another version or another watermark is stored; for `create` a tombstone, see there. */
  | { readonly outcome: 'conflict'; readonly job: JobRecord }
  /** No such job, or it was deleted. */
  | { readonly outcome: 'absent' }

// ------------------------------------------------------------------------------------------------- createOccurrences

/** What `createOccurrences` takes. */
export interface CreateOccurrencesRequest {
  readonly now: number
  /** Who starts what has `runs`. */
  readonly owner: Owner
  readonly items: readonly CreateItem[]
}

/** What every item says that creates something. */
export interface CreateItemBase extends OccurrenceAddress {
  /** The version that the node knows. An older one than the stored is refused. */
  readonly jobVersion: number
}

/** One slot of the job: its next instant, and the one after it. */
export interface CreateSlot extends CreateItemBase {
  readonly kind: 'slot'
  /** The job's next instant once this one is consumed. */
  readonly nextAt: number | null
  readonly executionTimeoutMs: number
  readonly details: OccurrenceDetails
  /** Task runs to start with, attempts already `running`: start now if the rules allow. `null`: leave it pending. */
  readonly runs: readonly TaskRunRecord[] | null
}

/**
 * A trigger or a replay: outside the schedule; the watermark stays. Its id alone says whether it exists: a request that
 * is repeated comes with the `scheduledAt` of its repetition.
 */
export interface CreateRequested extends CreateItemBase {
  readonly kind: 'trigger' | 'replay'
  /**
   * Not to be claimed before. Later than `now` only for a delayed one, which `runs` may not start: it is created pending
   * with the reason `delayed`, whatever the overlap policy and whatever else there is of the job, see `isDelayed`.
   */
  readonly dueAt: number
  readonly executionTimeoutMs: number
  readonly details: OccurrenceDetails
  /** As for a slot. */
  readonly runs: readonly TaskRunRecord[] | null
  /**
   * The id of the record when the request is skipped: its own id then stays free, and the same request may come again.
   * Left out: its own id.
   */
  readonly skippedId?: OccurrenceId
  /**
   * A key that can be used again: at most one occurrence of the job holds it. If the key's last occurrence still blocks by
   * the scope, see `blocksKey`, the item answers `exists` with that occurrence. Otherwise it creates a record under its own
   * id, which is new for each request, with `details.keyId`. In the same atomic step the storage lets the key name that
   * record, unless it is `skipped`. A record under `key.id` itself, which a request without a scope created, blocks too.
   */
  readonly key?: ReusableKey
}

/** A key that can be used again, see {@link CreateRequested.key}. */
export interface ReusableKey {
  /** The id that a request of this key without a scope is created under. */
  readonly id: OccurrenceId
  /** Until when an occurrence blocks its key: until its first start, or until its end. */
  readonly scope: 'waiting' | 'live'
}

/** A future slot that is not to run: created `canceled`; the watermark passes over it when its time comes. */
export interface CreateExclusion extends CreateItemBase {
  readonly kind: 'exclusion'
  readonly reason: string
  readonly details: OccurrenceDetails
}

/**
 * Several slots that were missed: moves the watermark over all of them at once, if it is still the expected one, and
 * creates what the recovery strategy wants of them. `id` and `scheduledAt` are of the last slot.
 */
export interface CreateRecovery extends CreateItemBase {
  readonly kind: 'recovery'
  /** The job's watermark, as the node knows it: another one means that somebody else has decided. */
  readonly expectedWatermark: number
  /** The watermark afterwards, not before `scheduledAt`. */
  readonly watermark: number
  /** The next instant afterwards. */
  readonly nextAt: number | null
  /** In the order of their time. */
  readonly entries: readonly RecoveryEntry[]
}

/** What is to become of one missed slot, or of several that are not to be run. */
export type RecoveryEntry =
  /**
   * To be run: created pending, or queued behind the active one, whatever the overlap policy (but `allow`). A slot that
   * has its record keeps that; but of a run that stands for several slots (`details.span`) the whole item is refused then,
   * as `off_schedule`: whoever decided so has not seen the record.
   */
  | {
      readonly kind: 'run'
      readonly id: OccurrenceId
      readonly scheduledAt: number
      readonly executionTimeoutMs: number
      readonly details: OccurrenceDetails
    }
  /**
   * Not to be run: one `missed` record for all slots of the span. `id` is that of the slot when there is but one; that
   * of several is of an id space of its own, as a record of the first slot, canceled ahead, may be there.
   */
  | {
      readonly kind: 'missed'
      readonly id: OccurrenceId
      readonly scheduledAt: number
      readonly reason: string
      readonly span: SlotSpan
    }

/** One occurrence to create, or the decision about several. */
export type CreateItem = CreateSlot | CreateRequested | CreateExclusion | CreateRecovery

/**
 * In the order in which an item is judged: `exists`, `absent`, `pruned`, `stale_version`, `off_schedule`, `queue_full`,
 * `created`.
 */
export type CreateAnswer =
  | {
      readonly outcome: 'created'
      /** Of the occurrence; of a recovery: of its last entry. */
      readonly state: OccurrenceState
      readonly token: number
      /**
       * For `skipped` and `canceled`; `delayed` for a request that waits for its time, `start_rate` for one that may not start
       * yet by the start rate of its job.
       */
      readonly reason: string | null
      /** Waiting occurrences that this one displaced (`queue_one`, `cancel_running`): now `canceled`. */
      readonly displaced: readonly OccurrenceAddress[]
      /** Running occurrences that were asked to cancel (`cancel_running`). */
      readonly cancelRequested: readonly CancelNotice[]
    }
  /**
   * The record was there. When the owner is the asker itself, an answer of its own got lost: it carries on. A slot
   * item that finds its record while the job still waits for that instant moves the job past it. A recovery item
   * answers `exists` when its last slot is already decided by a record of its own.
   */
  | {
      readonly outcome: 'exists'
      /** The occurrence that blocks the item's `key`. Left out: the item's own id. */
      readonly id?: OccurrenceId
      readonly state: OccurrenceState
      readonly token: number
      readonly owner: Owner | null
      readonly watermark: number
      readonly nextAt: number | null
    }
  /** No such job, or it was deleted. */
  | { readonly outcome: 'absent' }
  /** At or below the prune floor. */
  | { readonly outcome: 'pruned'; readonly pruneFloor: number }
  | { readonly outcome: 'stale_version'; readonly version: number }
  /**
   * The job's next instant (slot) or watermark (recovery) is another; an exclusion that is not in the future; a run of a
   * recovery that stands for several slots finds a record in its place.
   */
  | { readonly outcome: 'off_schedule'; readonly watermark: number; readonly nextAt: number | null }
  /**
   * A trigger or a replay under `queue`, and `maxQueued` occurrences are queued: nothing is stored of it. A slot is
   * created as `skipped` with the reason `queue_full` instead.
   */
  | { readonly outcome: 'queue_full'; readonly maxQueued: number }

// -------------------------------------------------------------------------------------------------------------- claim

/** What `claim` takes. */
export interface ClaimRequest {
  readonly now: number
  readonly owner: Owner
  /** At most so many; 0 claims nothing and still answers the rest. */
  readonly limit: number
  /** Jobs with these handler keys are left to other nodes. */
  readonly exceptHandlerKeys: readonly string[]
  /**
   * Also wake queued occurrences whose job has no active one, and cancel some that a deleted or a replaced job left: mends
   * what a damaged storage left behind, or a change that was not repeated.
   */
  readonly sweep: boolean
}

/**
 * `claim` passes over jobs that are paused at `now`, cancels what it meets of deleted ones, and never makes a second occurrence of a job running unless its policy is `allow`:
 * such a one goes back to `queued`. Of a job with a start rate no more start than that allows: of those beyond it that are due
 * the first stays pending until then, and the others go back to `queued`; each start wakes the next.
 */
export interface ClaimAnswer {
  /** Now running for the owner, `runs` included; least `orderAt` first, equal ones by id. */
  readonly claimed: readonly OccurrenceRecord[]
  /** Running occurrences of this node and incarnation whose cancellation was asked for; least `scheduledAt` first. */
  readonly cancelRequested: readonly CancelNotice[]
  /**
   * True when more are due than `limit` allowed, and when others are left to be canceled, or to go back to `queued`, than one
   * call does: then less than the limit may be claimed.
   */
  readonly more: boolean
  /**
   * When, after `now`, the next pending occurrence may be claimed: it becomes due, or the pause of its job ends. `null`
   * when there is none, or only of jobs that are to be resumed. It may be the instant of one that is left to others, where
   * that is earlier.
   */
  readonly nextDueAt: number | null
}

/** A running occurrence that its owner is to end. */
export interface CancelNotice extends OccurrenceAddress {
  readonly token: number
  readonly reason: string
}

// ------------------------------------------------------------------------------------------------------------- settle

/** What `settle` takes. */
export interface SettleRequest {
  readonly now: number
  readonly items: readonly SettleItem[]
}

/** What an owner says of one occurrence. */
export interface SettleItem extends OccurrenceAddress {
  readonly token: number
  /**
   * The owner that speaks: the item is `lost` if the record belongs to another incarnation. A storage that has lost
   * acknowledged writes gives the same token a second time. `null` or left out: the token alone decides.
   */
  readonly owner?: Owner | null
  /** 1, 2, 3 … under one token. The stored one is repeated (`ok`, nothing changes); a smaller one is `lost`. */
  readonly sequence: number
  /**
   * Set by an owner that has said something under a later number in a transaction, and does not know whether that is
   * committed: when the stored sequence is above this, the item is `lost`. Only of a storage with `within`.
   */
  readonly upToSequence?: number
  /** All task runs so far, whole. */
  readonly runs: readonly TaskRunRecord[]
  /** What it means for the occurrence. */
  readonly change: SettleChange
  /**
   * Of a `finish`: what it would wake becomes running for this owner instead, as by a claim, if it is due, the job is not
   * paused, and its start rate allows a start that no pending one waits for. Only with the capability `takesNext`.
   */
  readonly takeNext?: Owner
}

/** What becomes of a running occurrence. */
export type SettleChange =
  /** Attempts started or ended; the occurrence goes on. */
  | { readonly kind: 'progress' }
  /** It is over. Wakes, or takes, the job's next queued occurrence (least `orderAt`) in the same step. */
  | { readonly kind: 'finish'; readonly state: FinalState; readonly reason: string | null }
  /** Its owner stops working on it: pending again, for any node, not before `dueAt`. */
  | { readonly kind: 'release'; readonly dueAt: number; readonly reason: string | null }

/** What a storage says to an owner. */
export type SettleAnswer =
  | {
      readonly outcome: 'ok'
      /** What the finish woke: pending now. */
      readonly woken: OccurrenceAddress | null
      /** Set when somebody asked for cancellation. */
      readonly cancelRequested: string | null
      /** What `takeNext` took: running now, `runs` included. Left out when it took nothing. */
      readonly taken?: OccurrenceRecord
      /**
       * Set for an item with `takeNext` that was accepted before, and took nothing more now. What it took then, its owner
       * finds among what is running for it.
       */
      readonly repeated?: true
    }
  /** The token is not live (any more). `absent` when there is no such record. */
  | { readonly outcome: 'lost'; readonly state: OccurrenceState | 'absent'; readonly token: number }

// ------------------------------------------------------------------------------------------------------------- cancel

/** What `cancel` takes. */
export interface CancelOccurrencesRequest {
  readonly now: number
  readonly items: readonly CancelItem[]
}

/** One occurrence to cancel. */
export interface CancelItem extends OccurrenceAddress {
  readonly reason: string
  readonly actor: string | null
  /**
   * A running occurrence: `request` leaves a note for its owner; `force` ends it at once, and its owner's token is
   * dead. Waiting ones are canceled at once in either mode. The task runs stay as they are: whoever shows them says that
   * none goes on.
   */
  readonly mode: 'request' | 'force'
}

/** What a cancellation did. */
export type CancelAnswer =
  | { readonly outcome: 'canceled'; readonly woken: OccurrenceAddress | null }
  /** The owner was asked; repeated requests keep the first. */
  | { readonly outcome: 'requested'; readonly token: number; readonly owner: Owner }
  | { readonly outcome: 'final'; readonly state: FinalState }
  | { readonly outcome: 'absent' }

// --------------------------------------------------------------------------------------------------------------- reap

/** What `reap` takes. */
export interface ReapRequest {
  readonly now: number
  readonly items: readonly ReapItem[]
}

/** Takes effect when token, sequence and owner are still the given ones. */
export interface ReapItem extends OccurrenceAddress {
  readonly token: number
  /** The owner that loses the occurrence, as for {@link SettleItem}. */
  readonly owner?: Owner | null
  /** That of the owner's last accepted `settle`: it has said nothing since. */
  readonly sequence: number
  /** The task runs as they are to be kept: unfinished attempts ended as `lost`. */
  readonly runs: readonly TaskRunRecord[]
  /** `fail`: `failed_stale`, and the next queued one is woken. `retry`: pending again, for any node. */
  readonly action: 'fail' | 'retry'
  readonly reason: string
}

/** What a reaping did. */
export type ReapAnswer =
  | { readonly outcome: 'reaped'; readonly woken: OccurrenceAddress | null }
  | { readonly outcome: 'lost'; readonly state: OccurrenceState | 'absent'; readonly token: number }

// ------------------------------------------------------------------------------------------------------ get and list

/** What `get` takes. What is left out is answered with an empty list. */
export interface GetRequest {
  /** Heads of jobs. Tombstones are found too. */
  readonly jobs?: readonly JobId[]
  /** Versions of jobs, also earlier ones. */
  readonly versions?: readonly { readonly jobId: JobId; readonly version: number }[]
  /** With their runs. */
  readonly occurrences?: readonly OccurrenceId[]
  /** How many live occurrences there are, of these jobs or of all jobs together. */
  readonly counts?: readonly (JobId | 'all')[]
  /**
   * Of each of these jobs the latest occurrence that was run and has ended: final, with a token above 0, and of these the
   * one with the greatest `scheduledAt`, equal ones by id. What was skipped, missed or canceled before it began is passed
   * over; behind about a thousand of those in a row a storage may give up with `null`. No write is paid for it.
   */
  readonly latest?: readonly JobId[]
}

/**
 * How many occurrences live, by state. A storage keeps these sums as it writes, so that asking for them costs the same
 * whatever their size; where keeping them has a price that nobody should pay, its guide says how it answers instead.
 */
export interface LiveCounts {
  /** Those that wait for a node. */
  readonly pending: number
  /** Those that wait for another one of their job. */
  readonly queued: number
  /** Those that a node owns. */
  readonly running: number
}

/** What `get` answers: a record, or `null`, for each id, in the order of the request. */
export interface GetAnswer {
  /** As asked for by `jobs`. */
  readonly jobs: readonly (JobRecord | null)[]
  /** As asked for by `versions`. */
  readonly versions: readonly (JobVersionRecord | null)[]
  /** As asked for by `occurrences`. */
  readonly occurrences: readonly (OccurrenceRecord | null)[]
  /** As asked for by `counts`; zeros for a job that does not exist. */
  readonly counts: readonly LiveCounts[]
  /** As asked for by `latest`, without their runs. */
  readonly latest: readonly (OccurrenceRecord | null)[]
}

/** A part of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  /** Pass it on for the next page; `null` on the last. A page may be shorter than `limit`, even empty, before that. */
  readonly cursor: string | null
}

/** Which part of a list is wanted. */
export interface PageRequest {
  /** At least 1. */
  readonly limit: number
  /** Of the page before; `null` for the first. */
  readonly cursor: string | null
}

/** What `listJobs` takes. */
export interface JobQuery extends PageRequest {
  /** Only jobs with `changedAt` at or after this. */
  readonly changedSince?: number
  /** Only jobs with this owner tag. */
  readonly owner?: string
  /** Include tombstones; default false. */
  readonly deleted?: boolean
  /**
   * Only jobs whose next instant is due. Then they come in the order of their next instants, equal ones by id, and
   * nothing else may be asked for. Jobs whose slots lie less than ten seconds apart may come so much too early in that
   * order. Only with the capability `findsDueJobs`.
   */
  readonly due?: DueJobs
}

/** Which jobs are due. Paused ones are found too: what becomes of their slots has to be written. */
export interface DueJobs {
  /** Only next instants after this, epoch milliseconds. Default: any. */
  readonly after?: number
  /** Only next instants at or before this, epoch milliseconds. */
  readonly upTo: number
  /** Only jobs of these shards, see `shardOf`. Default: all. Rising, each once. */
  readonly shards?: readonly number[]
}

/** What `listOccurrences` takes. */
export type OccurrenceQuery =
  /** The history of one job by `scheduledAt` (equal ones by id), `from` inclusive, `to` exclusive. */
  | (PageRequest & {
      readonly kind: 'job'
      readonly jobId: JobId
      readonly from?: number
      readonly to?: number
      readonly states?: readonly OccurrenceState[]
      readonly order: 'ascending' | 'descending'
      /** False leaves `runs` empty. */
      readonly runs: boolean
    })
  /** Live occurrences of all jobs, in an order of the adapter's choice. */
  | (PageRequest & {
      readonly kind: 'live'
      readonly state: 'pending' | 'queued' | 'running'
      /** Running ones of this node only. */
      readonly node?: string
      /** Running ones with a deadline at or before this only. */
      readonly deadlineBefore?: number
      readonly runs: boolean
    })
  /**
   * Failures, by `finishedAt` (equal ones by id), `from` inclusive, `to` exclusive: what is in one of the `failedStates`.
   * Found through an index that holds nothing else, so that the cost does not grow with the history. One that follows the
   * data with a delay will do.
   */
  | (PageRequest & {
      readonly kind: 'failed'
      /** Of this job only. Default: of all jobs. */
      readonly jobId?: JobId
      readonly from?: number
      readonly to?: number
      readonly order: 'ascending' | 'descending'
      readonly runs: boolean
    })

// -------------------------------------------------------------------------------------------------------------- prune

/** What `prune` takes. */
export interface PruneRequest {
  readonly now: number
  /** `null`: all jobs. */
  readonly jobId: JobId | null
  /**
   * Terminal occurrences with `scheduledAt` before this are removed, of a job with a next instant only those before
   * that: no slot lies between its watermark and there. The floor rises to the latest removed `scheduledAt` or slot at
   * least, above the watermark if need be, and before anything is gone. Tombstones deleted before this that have no
   * occurrences left go too, as do versions that nothing refers to.
   */
  readonly before: number
  /** Always keep so many of the latest terminal occurrences of each job. */
  readonly keep: number
  /** Remove at most about so many per call, so that no call blocks for long. At least 1. */
  readonly limit: number
}

/** What a call of `prune` did. */
export interface PruneAnswer {
  /** How many occurrences are gone. Of calls that prune at the same time, several may count the same one. */
  readonly removed: number
  /** True when a further call would remove more. */
  readonly more: boolean
}

// ---------------------------------------------------------------------------------------------------------- heartbeat

/** What `heartbeat` takes. */
export interface HeartbeatRequest {
  readonly now: number
  /**
   * Stored when the storage has no record of this incarnation, or one with a smaller counter; otherwise the stored one
   * stays. `null`: write nothing, only read.
   */
  readonly own: NodeRecord | null
  /** What the node can do. Stored with `own`; left out, what is stored stays. */
  readonly profile?: NodeProfile
  /**
   * Records that go, each with its profile, when the counter is still the given one: whoever has said something since
   * lives. They go before `own` is stored.
   */
  readonly remove: readonly NodeAtCounter[]
  /** Incarnations whose profiles are wanted. */
  readonly profilesOf: readonly string[]
}

/** A node's record as it was when somebody looked. */
export interface NodeAtCounter {
  /** Which life of which node. */
  readonly incarnation: string
  /** What its record said then. */
  readonly counter: number
}

/** What `heartbeat` answers. */
export interface HeartbeatAnswer {
  /** All of them after the step, the own one too, by incarnation. */
  readonly nodes: readonly NodeRecord[]
  /** As asked for by `profilesOf`; `null` for those that are not there. */
  readonly profiles: readonly (NodeProfile | null)[]
}
