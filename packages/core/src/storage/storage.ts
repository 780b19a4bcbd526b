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
 * - Arrays in, arrays out: answers stand in the order of the items. Each item is atomic by itself and never affects its
 *   neighbours; items of one call take effect in their order.
 * - Expected contention is an answer, never an exception. An exception means that the storage failed; the call may have
 *   taken effect in whole, in part or not at all. The engine can repeat every call; the repetition answers as the first
 *   call would have.
 * - Adapters read no clock: `now` is an argument. All instants are epoch milliseconds.
 * - Core has checked all arguments.
 */
export interface Storage {
  /** The protocol version of the adapter. */
  readonly specVersion: 1
  /** Properties that tune the engine. Correctness never depends on them. */
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

  /** Stores the progress or the end of running occurrences for their owner. The token and the owner guard each item. */
  settle(request: SettleRequest): Promise<readonly SettleAnswer[]>

  /** Cancels waiting occurrences, and requests or forces the cancellation of running ones. */
  cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]>

  /** Takes running occurrences from owners that do not settle them. */
  reap(request: ReapRequest): Promise<readonly ReapAnswer[]>

  /** Reads records by id. `null` stands for a record that does not exist. */
  get(request: GetRequest): Promise<GetAnswer>

  /** Reads jobs, in the order of their ids. */
  listJobs(query: JobQuery): Promise<Page<JobRecord>>

  /** Reads the occurrences of one job, or the live or failed occurrences of all jobs. */
  listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>>

  /** Removes final occurrences and raises the prune floors of their jobs in the same step. */
  prune(request: PruneRequest): Promise<PruneAnswer>

  /** Writes the record of the calling node and reads the records of all nodes. */
  heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer>

  /**
   * Returns a storage that writes in a transaction of the caller. The caller has begun the transaction and ends it.
   * Absent if the storage does not support this.
   * @throws JobistemerError `INVALID_TRANSACTION` for a value that is no transaction, or a transaction on other data;
   * the message names the accepted values
   */
  within?(transaction: unknown): StorageWithin

  /** The storage's own clock in epoch milliseconds. Absent if the storage has no clock that several nodes share. */
  serverTime?(): Promise<number>

  /**
   * Calls the listener after another connection has changed something. Writes of this connection cause no call. A lost
   * call costs latency only.
   */
  subscribe?(listener: (wakeUp: WakeUp) => void): () => void

  /** Closes the storage; further calls reject with `STORAGE_CLOSED`. Closing twice is allowed. */
  close(): Promise<void>
}

/**
 * A storage inside a transaction of a user. Its writes become visible with the commit, and vanish without one. It
 * neither begins nor ends the transaction. A call that rejects leaves the transaction unchanged, or makes its commit
 * impossible.
 *
 * Its locks last until the transaction ends.
 */
export interface StorageWithin extends Pick<Storage, 'createOccurrences' | 'settle'> {
  /**
   * Makes the commit of the transaction impossible: the user can only roll it back. Its writes and savepoints may be
   * gone at once. Works on a closed storage too, so that a handler that ignores `STORAGE_CLOSED` cannot commit the
   * rest.
   */
  forbidCommit(): Promise<void>
}

/** The properties of a storage that tune the engine. */
export interface StorageCapabilities {
  /** Maximum number of items that the engine sends in one call. At least 1. */
  readonly maxBatch: number
  /**
   * While a call with ends is in progress, this number of further ends starts another call. Set it below `maxBatch` if
   * the storage processes several calls at once and a call costs little beside its items. Default `maxBatch`.
   */
  readonly worthwhileBatch?: number
  /** True when several processes can use the same data at once. */
  readonly multiProcess: boolean
  /** What an acknowledged write survives: nothing, `kill -9` of every node, or a power cut. */
  readonly durability: 'none' | 'process' | 'power'
  /** How many occurrences of one job may be queued; core rejects a larger `maxQueued`. Default: unlimited. */
  readonly maxQueued?: number
  /** Resolution of `serverTime`, in milliseconds. Default 1. */
  readonly serverTimeResolutionMs?: number
  /**
   * Whether `listJobs` supports `due`: the storage finds jobs by their next instant, at a cost that grows with the
   * number of jobs found, not of jobs stored. Default false.
   */
  readonly findsDueJobs?: boolean
  /** Whether `settle` supports `takeNext`. Default false: `settle` then wakes the occurrence that it would have taken. */
  readonly takesNext?: boolean
  /** Default heartbeat interval of a node on this storage, in milliseconds. Default 5,000. */
  readonly heartbeatMs?: number
}

/** A message of `subscribe`: another connection has changed something. */
export interface WakeUp {
  /**
   * `due`: an occurrence may be ready for a claim. `cancel`: a running occurrence has a cancel request. `jobs`: a
   * definition or a pause changed. `nodes`: a node has started or is leaving, see `isNodesNews`.
   */
  readonly kind: 'due' | 'cancel' | 'jobs' | 'nodes'
}

// ---------------------------------------------------------------------------------------------------------- saveJobs

/** What `saveJobs` takes. */
export interface SaveJobsRequest {
  readonly now: number
  /** Each change is atomic; the changes take effect in this order. */
  readonly changes: readonly JobChange[]
  /**
   * Maximum number of waiting occurrences that each `delete`, `replace` and `create` cancels, so that no call blocks
   * for long. At least 1. Default: unlimited.
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
   * tombstone, the job gets the next version and the prune floor of the tombstone. Its watermark is then the latest of
   * the tombstone's watermark, that floor and `now`. Answers `conflict` if the tombstone's job has already decided
   * `nextAt`. Also answers `conflict` while more of its occurrences wait than `cancelLimit` allows to cancel; each try
   * cancels some.
   */
  | { readonly kind: 'create'; readonly id: JobId; readonly content: JobContent }
  /**
   * Replaces the content if version and watermark are still the expected ones. The version grows by 1, and the old
   * fingerprint becomes the first of the lineage. Under the overlap policy `allow`, each queued occurrence becomes
   * pending in the same step, or in the step that cancels the last superseded slot. If there are very many, some become
   * pending in later steps, before the next claim takes any occurrence.
   *
   * With `waiting: 'cancel'`, pending and queued slots become `canceled` with the reason `updated`. The step keeps
   * triggers, replays, and slots that a node has started once, even if that node handed them back. If more than
   * `cancelLimit` slots wait, the head keeps the new version as `cancelsBelow`, the answer has `more`, and none of the
   * remaining slots ever starts. The engine repeats the change to cancel the next slots. The repetition works under a
   * later version too, unless that version cancels as well. Other steps on the job's occurrences also cancel superseded
   * slots that they meet.
   *
   * `setBackTo` sets the watermark back to an earlier instant, after a wrong clock has moved it ahead. No other change
   * moves it back. Answers `conflict` if the watermark is not after `setBackTo`, or the content's next instant is not
   * after it. The next instant must also lie after the prune floor; a `prune` may have raised the floor since the
   * sender read the head, and then the answer is `conflict`. Records stay. When the time of a slot with a record comes a
   * second time, the engine passes the slot.
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
   * Sets or lifts (`null`) the pause, without a new version. Of two pauses the longer one wins, see `changesPause`. A
   * pause that ends no later than the stored one answers `unchanged`, and so does lifting a pause that has ended at
   * `now`.
   *
   * A pause with `until` ends then without a write: `paused` stays in the head, and each step compares it with its own
   * `now`, or with the `scheduledAt` of a slot. From then on `claim` finds the waiting occurrences.
   */
  | { readonly kind: 'pause'; readonly id: JobId; readonly paused: PauseRecord | null }
  /**
   * Makes the job a tombstone and cancels its waiting occurrences with the reason `deleted`; running occurrences may
   * end. If more than `cancelLimit` occurrences wait, the answer has `more`, and none of the remaining ones ever
   * starts. The engine repeats the change to cancel the rest; `claim` also cancels remaining ones that it reads.
   */
  | { readonly kind: 'delete'; readonly id: JobId; readonly expectedVersion: number | null }

/** `job` is the stored head after the step. */
export type SaveJobAnswer =
  | {
      readonly outcome: 'saved'
      readonly job: JobRecord
      /** The occurrences that `replace` or `delete` canceled. */
      readonly canceled: readonly OccurrenceAddress[]
      /** Further occurrences must be canceled: repeat the change. */
      readonly more?: true
    }
  /** The job already has the requested state, or (`create`) exists. */
  | { readonly outcome: 'exists' | 'unchanged'; readonly job: JobRecord }
  /** The storage has another version or watermark. For `create`, see there. */
  | { readonly outcome: 'conflict'; readonly job: JobRecord }
  /** No such job, or it was deleted. */
  | { readonly outcome: 'absent' }

// ------------------------------------------------------------------------------------------------- createOccurrences

/** What `createOccurrences` takes. */
export interface CreateOccurrencesRequest {
  readonly now: number
  /** The owner of the occurrences that the call starts. */
  readonly owner: Owner
  readonly items: readonly CreateItem[]
}

/** Fields of every create item. */
export interface CreateItemBase extends OccurrenceAddress {
  /** The version that the node knows. The storage rejects an item with an older version than the stored one. */
  readonly jobVersion: number
}

/** One slot of the job: its next instant, and the one after it. */
export interface CreateSlot extends CreateItemBase {
  readonly kind: 'slot'
  /** The job's next instant after this slot. */
  readonly nextAt: number | null
  readonly executionTimeoutMs: number
  readonly details: OccurrenceDetails
  /**
   * Task runs to start with, their attempts already `running`: the storage starts the occurrence now if the rules allow
   * it. `null`: the occurrence stays pending.
   */
  readonly runs: readonly TaskRunRecord[] | null
}

/**
 * A trigger or a replay, outside the schedule. The watermark stays. The id alone decides whether the occurrence exists,
 * because a repeated request has the `scheduledAt` of its repetition.
 */
export interface CreateRequested extends CreateItemBase {
  readonly kind: 'trigger' | 'replay'
  /**
   * No claim takes the occurrence before this instant. If it is later than `now`, the occurrence is delayed: `runs`
   * must not start it, and the storage creates it pending with the reason `delayed`, whatever the overlap policy and
   * the other occurrences of the job, see `isDelayed`.
   */
  readonly dueAt: number
  readonly executionTimeoutMs: number
  readonly details: OccurrenceDetails
  /** As for a slot. */
  readonly runs: readonly TaskRunRecord[] | null
  /**
   * The id of the record if the request is skipped. The id of the request then stays free, and the caller may send the
   * request again. Default: the item's id.
   */
  readonly skippedId?: OccurrenceId
  /**
   * A reusable key: at most one occurrence of the job holds it. If the key's last occurrence still blocks it by its
   * scope, see `blocksKey`, the item answers `exists` with that occurrence. Otherwise it creates a record under its own
   * id, which is new for each request, with `details.keyId`. In the same atomic step the storage lets the key name that
   * record, unless it is `skipped`. A record under `key.id` itself, which a request without a scope created, blocks
   * too.
   */
  readonly key?: ReusableKey
}

/** A reusable key, see {@link CreateRequested.key}. */
export interface ReusableKey {
  /** The id of the occurrence that a request with this key but without a scope creates. */
  readonly id: OccurrenceId
  /** Until when an occurrence blocks its key: until its first start, or until its end. */
  readonly scope: 'waiting' | 'live'
}

/** Cancels a future slot: the storage creates it as `canceled`, and the watermark passes it when its time comes. */
export interface CreateExclusion extends CreateItemBase {
  readonly kind: 'exclusion'
  readonly reason: string
  readonly details: OccurrenceDetails
}

/**
 * Decides several missed slots at once. If the watermark is still the expected one, the storage moves it past all of
 * them and creates the entries of the recovery strategy. `id` and `scheduledAt` are those of the last slot.
 */
export interface CreateRecovery extends CreateItemBase {
  readonly kind: 'recovery'
  /** The job's watermark, as the node knows it. If the stored one differs, another node has already decided. */
  readonly expectedWatermark: number
  /** The watermark afterwards, not before `scheduledAt`. */
  readonly watermark: number
  /** The next instant afterwards. */
  readonly nextAt: number | null
  /** In the order of their instants. */
  readonly entries: readonly RecoveryEntry[]
}

/** The decision about one missed slot, or about several that do not run. */
export type RecoveryEntry =
  /**
   * The slot runs: the storage creates it pending, or, unless the policy is `allow`, queued behind the active
   * occurrence. A slot that has a record keeps it. If a run that covers several slots (`details.span`) meets a record,
   * the storage rejects the whole item as `off_schedule`, because the deciding node has not seen that record.
   */
  | {
      readonly kind: 'run'
      readonly id: OccurrenceId
      readonly scheduledAt: number
      readonly executionTimeoutMs: number
      readonly details: OccurrenceDetails
    }
  /**
   * The slots do not run: one `missed` record covers all slots of the span. For a single slot, `id` is the slot's id.
   * For several, `id` comes from a separate id space, because the first slot may already have a record that was
   * canceled ahead.
   */
  | {
      readonly kind: 'missed'
      readonly id: OccurrenceId
      readonly scheduledAt: number
      readonly reason: string
      readonly span: SlotSpan
    }

/** One occurrence to create, or a decision about several slots. */
export type CreateItem = CreateSlot | CreateRequested | CreateExclusion | CreateRecovery

/**
 * The rules check an item in this order: `exists`, `absent`, `pruned`, `stale_version`, `off_schedule`, `queue_full`,
 * `created`.
 */
export type CreateAnswer =
  | {
      readonly outcome: 'created'
      /** The state of the occurrence; for a recovery, of its last entry. */
      readonly state: OccurrenceState
      readonly token: number
      /**
       * The reason of `skipped` and `canceled`. `delayed` for a request that waits for its time. `start_rate` if the
       * start rate of the job allows no start yet.
       */
      readonly reason: string | null
      /** Waiting occurrences that this occurrence displaced (`queue_one`, `cancel_running`); they are now `canceled`. */
      readonly displaced: readonly OccurrenceAddress[]
      /** Running occurrences that got a cancel request (`cancel_running`). */
      readonly cancelRequested: readonly CancelNotice[]
    }
  /**
   * The record exists. If its owner is the calling node, an earlier answer to that node was lost, and the node
   * continues the run. If a slot item finds its record while `nextAt` is still that slot, the storage moves the job
   * past it. A recovery item answers `exists` if its last slot already has a record of its own.
   */
  | {
      readonly outcome: 'exists'
      /** The occurrence that blocks the item's `key`. Default: the item's own id. */
      readonly id?: OccurrenceId
      readonly state: OccurrenceState
      readonly token: number
      readonly owner: Owner | null
      readonly watermark: number
      readonly nextAt: number | null
    }
  /** No such job, or it was deleted. */
  | { readonly outcome: 'absent' }
  /** The instant lies at or below the prune floor. */
  | { readonly outcome: 'pruned'; readonly pruneFloor: number }
  | { readonly outcome: 'stale_version'; readonly version: number }
  /**
   * The job's next instant (slot) or watermark (recovery) differs. Or an exclusion is not in the future. Or a run of a
   * recovery that covers several slots met an existing record.
   */
  | { readonly outcome: 'off_schedule'; readonly watermark: number; readonly nextAt: number | null }
  /**
   * A trigger or a replay under `queue` while `maxQueued` occurrences are queued: the storage keeps nothing. A slot
   * becomes `skipped` with the reason `queue_full` instead.
   */
  | { readonly outcome: 'queue_full'; readonly maxQueued: number }

// -------------------------------------------------------------------------------------------------------------- claim

/** What `claim` takes. */
export interface ClaimRequest {
  readonly now: number
  readonly owner: Owner
  /** Maximum number of occurrences to claim. With 0, the storage claims nothing and fills the other fields of the answer. */
  readonly limit: number
  /** The claim leaves out jobs with these handler keys, which this node cannot run. */
  readonly exceptHandlerKeys: readonly string[]
  /**
   * Also wakes queued occurrences of jobs without an active one, and cancels some occurrences that a deleted or
   * replaced job left. This repairs the effects of a damaged storage, or of a change that was not repeated.
   */
  readonly sweep: boolean
}

/**
 * `claim` leaves out jobs that are paused at `now`, and cancels the occurrences of deleted jobs that it meets. It never
 * starts more occurrences of a job than its overlap rule allows; further ones go back to `queued`. It also respects the
 * start rate: of the due occurrences beyond it, the first stays pending until the next allowed start, and further ones
 * go back to `queued`. Each start wakes the next.
 */
export interface ClaimAnswer {
  /** The claimed occurrences, now running for the owner, with their `runs`; least `orderAt` first, ties by id. */
  readonly claimed: readonly OccurrenceRecord[]
  /** Running occurrences of this node and incarnation that have a cancel request; least `scheduledAt` first. */
  readonly cancelRequested: readonly CancelNotice[]
  /**
   * True if more occurrences are due than `limit` allowed. Also true if more must be canceled or go back to `queued`
   * than one call handles; the call may then have claimed fewer than `limit`.
   */
  readonly more: boolean
  /**
   * The next instant after `now` at which a pending occurrence becomes claimable: it becomes due, or the pause of its
   * job ends. `null` if no pending occurrence exists, except of jobs whose pause has no end. It may be an earlier
   * instant, of an occurrence that this claim leaves out.
   */
  readonly nextDueAt: number | null
}

/** A running occurrence whose owner must end it. */
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

/** A step of one occurrence, sent by its owner. */
export interface SettleItem extends OccurrenceAddress {
  readonly token: number
  /**
   * The sending owner. If the record belongs to another incarnation, the item is `lost`: a storage that has lost
   * acknowledged writes gives the same token a second time. Without an owner, the token alone decides.
   */
  readonly owner?: Owner | null
  /**
   * Counts 1, 2, 3 … under one token. An item with the stored sequence is a repetition (`ok`, nothing changes); an item
   * with a smaller one is `lost`.
   */
  readonly sequence: number
  /**
   * An owner sets this after it has written a later sequence in a transaction and does not know whether that was
   * committed. If the stored sequence is above this number, the item is `lost`. Only for a storage with `within`.
   */
  readonly upToSequence?: number
  /** All task runs so far, complete. */
  readonly runs: readonly TaskRunRecord[]
  /** The effect on the occurrence. */
  readonly change: SettleChange
  /**
   * For a `finish`: the occurrence that it would wake becomes running for this owner instead, as after a claim.
   * Conditions: the occurrence is due, the job is not paused, and its start rate allows a start for which no pending
   * occurrence waits. Only with the capability `takesNext`.
   */
  readonly takeNext?: Owner
}

/** The effect of a `settle` on a running occurrence. */
export type SettleChange =
  /** Attempts started or ended; the occurrence continues. */
  | { readonly kind: 'progress' }
  /** The occurrence ends. The same step wakes, or takes, the job's next queued occurrence (least `orderAt`). */
  | { readonly kind: 'finish'; readonly state: FinalState; readonly reason: string | null }
  /** The owner hands the occurrence back: it is pending again for any node, not before `dueAt`. */
  | { readonly kind: 'release'; readonly dueAt: number; readonly reason: string | null }

/** The storage's answer to an owner. */
export type SettleAnswer =
  | {
      readonly outcome: 'ok'
      /** The occurrence that the finish woke; it is now pending. */
      readonly woken: OccurrenceAddress | null
      /** The reason of a cancel request; `null` without one. */
      readonly cancelRequested: string | null
      /** The occurrence that `takeNext` took; it is now running, with its `runs`. Absent if it took none. */
      readonly taken?: OccurrenceRecord
      /**
       * Set for a repeated item with `takeNext`, which takes nothing the second time. The owner finds the occurrence
       * that the first call took among its running occurrences.
       */
      readonly repeated?: true
    }
  /** The token is no longer valid. `absent` if the record does not exist. */
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
   * For a running occurrence, `request` stores a cancel request for its owner; `force` ends it at once and invalidates
   * its owner's token. Both modes cancel a waiting occurrence at once. The stored task runs do not change; the code
   * that displays them shows unfinished ones as ended.
   */
  readonly mode: 'request' | 'force'
}

/** The outcome of a cancel. */
export type CancelAnswer =
  | { readonly outcome: 'canceled'; readonly woken: OccurrenceAddress | null }
  /** The owner has a cancel request; the first of several requests stays. */
  | { readonly outcome: 'requested'; readonly token: number; readonly owner: Owner }
  | { readonly outcome: 'final'; readonly state: FinalState }
  | { readonly outcome: 'absent' }

// --------------------------------------------------------------------------------------------------------------- reap

/** What `reap` takes. */
export interface ReapRequest {
  readonly now: number
  readonly items: readonly ReapItem[]
}

/** Takes effect if token, sequence and owner are still the given ones. */
export interface ReapItem extends OccurrenceAddress {
  readonly token: number
  /** The owner to take the occurrence from, as for {@link SettleItem}. */
  readonly owner?: Owner | null
  /** The sequence of the owner's last accepted `settle`; the owner has sent none since. */
  readonly sequence: number
  /** The task runs to store, with unfinished attempts ended as `lost`. */
  readonly runs: readonly TaskRunRecord[]
  /**
   * `fail`: the occurrence becomes `failed_stale`, and the step wakes the next queued one. `retry`: the occurrence is
   * pending again, for any node.
   */
  readonly action: 'fail' | 'retry'
  readonly reason: string
}

/** The outcome of a reap. */
export type ReapAnswer =
  | { readonly outcome: 'reaped'; readonly woken: OccurrenceAddress | null }
  | { readonly outcome: 'lost'; readonly state: OccurrenceState | 'absent'; readonly token: number }

// ------------------------------------------------------------------------------------------------------ get and list

/** What `get` takes. An absent member is answered with an empty list. */
export interface GetRequest {
  /** Heads of jobs. Tombstones are found too. */
  readonly jobs?: readonly JobId[]
  /** Versions of jobs, also earlier ones. */
  readonly versions?: readonly { readonly jobId: JobId; readonly version: number }[]
  /** Occurrences, with their runs. */
  readonly occurrences?: readonly OccurrenceId[]
  /** Counts of live occurrences, of these jobs or of all jobs together. */
  readonly counts?: readonly (JobId | 'all')[]
  /**
   * The latest finished run of each of these jobs: the final occurrence with a token above 0 that has the greatest
   * `scheduledAt`, ties by id. The storage ignores occurrences that were skipped, missed or canceled before their
   * start. After about a thousand of those in a row it may answer `null`. Storages keep no extra data for this read.
   */
  readonly latest?: readonly JobId[]
}

/**
 * Counts of live occurrences, by state. A storage updates these sums with each write, so that a read costs the same
 * whatever their size. If that would cost too much, the storage answers in another way, which its guide describes.
 */
export interface LiveCounts {
  /** Occurrences that wait for a node. */
  readonly pending: number
  /** Occurrences that wait for another one of their job. */
  readonly queued: number
  /** Occurrences that a node owns. */
  readonly running: number
}

/** What `get` answers: a record, or `null`, for each id, in the order of the request. */
export interface GetAnswer {
  /** The heads of the jobs in `jobs` of the query. */
  readonly jobs: readonly (JobRecord | null)[]
  /** The versions that `versions` of the query names. */
  readonly versions: readonly (JobVersionRecord | null)[]
  /** The occurrences that `occurrences` of the query names. */
  readonly occurrences: readonly (OccurrenceRecord | null)[]
  /** The counts that `counts` of the query names; zeros for a job that does not exist. */
  readonly counts: readonly LiveCounts[]
  /** As asked for by `latest`, without their runs. */
  readonly latest: readonly (OccurrenceRecord | null)[]
}

/** A part of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  /**
   * Pass it to the call for the next page; `null` on the last page. Earlier pages may be shorter than `limit`, even
   * empty.
   */
  readonly cursor: string | null
}

/** Which part of a list to read. */
export interface PageRequest {
  /** At least 1. */
  readonly limit: number
  /** The cursor of the previous page; `null` for the first page. */
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
   * Only jobs whose next instant is due, in the order of their next instants, ties by id. It excludes the other
   * filters. A job whose slots lie less than 10 s apart may appear up to 10 s too early in that order. Only with the
   * capability `findsDueJobs`.
   */
  readonly due?: DueJobs
}

/** Which jobs are due. Includes paused jobs, because a node must record their slots as skipped. */
export interface DueJobs {
  /** Only next instants after this, epoch milliseconds. Default: any. */
  readonly after?: number
  /** Only next instants at or before this, epoch milliseconds. */
  readonly upTo: number
  /** Only jobs of these shards, see `shardOf`, in ascending order without repetition. Default: all. */
  readonly shards?: readonly number[]
}

/** What `listOccurrences` takes. */
export type OccurrenceQuery =
  /** The history of one job by `scheduledAt` (ties by id), `from` inclusive, `to` exclusive. */
  | (PageRequest & {
      readonly kind: 'job'
      readonly jobId: JobId
      readonly from?: number
      readonly to?: number
      readonly states?: readonly OccurrenceState[]
      readonly order: 'ascending' | 'descending'
      /** `false` leaves `runs` empty. */
      readonly runs: boolean
    })
  /** Live occurrences of all jobs, in an order of the adapter's choice. */
  | (PageRequest & {
      readonly kind: 'live'
      readonly state: 'pending' | 'queued' | 'running'
      /** Only running occurrences of this node. */
      readonly node?: string
      /** Only running occurrences with a deadline at or before this instant. */
      readonly deadlineBefore?: number
      readonly runs: boolean
    })
  /**
   * Occurrences in one of the `failedStates`, by `finishedAt` (ties by id), `from` inclusive, `to` exclusive. The
   * storage reads an index that holds only failures, so that the cost does not grow with the history. The index may be
   * eventually consistent.
   */
  | (PageRequest & {
      readonly kind: 'failed'
      /** Only failures of this job. Default: of all jobs. */
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
   * The storage removes final occurrences with `scheduledAt` before this. If the job has a next instant, it removes
   * only occurrences before that; no slot lies between the watermark and the next instant. Before the removal, the
   * prune floor rises at least to the latest removed `scheduledAt` or slot, even above the watermark. The storage also
   * removes tombstones without occurrences that were deleted before this instant, and versions without a reference.
   */
  readonly before: number
  /** Number of latest final occurrences of each job to keep in any case. */
  readonly keep: number
  /** Approximate maximum number of removals per call, so that no call blocks for long. At least 1. */
  readonly limit: number
}

/** What a call of `prune` did. */
export interface PruneAnswer {
  /** Number of removed occurrences. Concurrent calls may count the same occurrence. */
  readonly removed: number
  /** True if a further call would remove more. */
  readonly more: boolean
}

// ---------------------------------------------------------------------------------------------------------- heartbeat

/** What `heartbeat` takes. */
export interface HeartbeatRequest {
  readonly now: number
  /** The storage keeps this record if it has none of this incarnation, or one with a smaller counter. `null`: only read. */
  readonly own: NodeRecord | null
  /** The handlers and definitions of the node, stored with `own`. Absent: the stored profile stays. */
  readonly profile?: NodeProfile
  /**
   * Node records to remove with their profiles, if their counters are still the given ones. A node whose counter has
   * grown since is alive. The removal precedes the write of `own`.
   */
  readonly remove: readonly NodeAtCounter[]
  /** Incarnations whose profiles to read. */
  readonly profilesOf: readonly string[]
}

/** A node record as the sender has read it. */
export interface NodeAtCounter {
  /** The incarnation of the node. */
  readonly incarnation: string
  /** The counter that the sender has read. */
  readonly counter: number
}

/** What `heartbeat` answers. */
export interface HeartbeatAnswer {
  /** All node records after the step, including the sender's, by incarnation. */
  readonly nodes: readonly NodeRecord[]
  /** The profiles of `profilesOf`; `null` for each that does not exist. */
  readonly profiles: readonly (NodeProfile | null)[]
}
