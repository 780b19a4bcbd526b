import type { JobId, OccurrenceId } from '../ids.ts'
import type { JobRecord, JobVersionRecord, PauseRecord } from './job-record.ts'
import type { NodeRecord, NodeProfile } from './node-record.ts'
import type {
  FinalState,
  LiveState,
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
 * - The answers of a call stand in the order of its items. Each item is atomic by itself, and its failure affects no other
 *   item. The items of one call take effect in their order.
 * - If two calls compete for a record, the answer says which call took effect; the storage throws no exception. An exception
 *   means that the storage failed. The call may then have taken effect in whole, in part or not at all. The engine can repeat
 *   every call; the repetition answers as the first call would have.
 * - Adapters read no clock: `now` is an argument. All instants are epoch milliseconds.
 * - Core has checked all arguments.
 */
export interface Storage {
  /** The protocol version of the adapter. */
  readonly specVersion: 1
  /** Properties that tune the engine. The engine works correctly with any values of these properties. */
  readonly capabilities: StorageCapabilities

  /** Creates, replaces, pauses, resumes and deletes jobs. */
  saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]>

  /**
   * Creates occurrences that do not exist, and applies the overlap rule of their jobs. In the same atomic step, the storage
   * advances the job's watermark and next instant. If an item has `runs` and the rules allow a start, this step also starts the
   * occurrence.
   */
  createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]>

  /** Takes due pending occurrences, least `orderAt` first. Each becomes running with a new token. */
  claim(request: ClaimRequest): Promise<ClaimAnswer>

  /**
   * Stores the progress or the end of running occurrences for their owner. Token and owner of each item must match the record.
   */
  settle(request: SettleRequest): Promise<readonly SettleAnswer[]>

  /** Cancels waiting occurrences. Requests or forces the cancellation of running occurrences. */
  cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]>

  /** Takes running occurrences from owners that did not settle them in time. */
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
   * Returns a storage that writes in a transaction of the caller. The caller begins and ends the transaction. Absent if the
   * storage lacks this feature.
   * @throws JobistemerError `INVALID_TRANSACTION` for a value that is no transaction, or a transaction on other data; the
   * message names the accepted values
   */
  within?(transaction: unknown): StorageWithin

  /** Reads the clock of the storage, in epoch milliseconds. Absent if the storage has no clock that several nodes share. */
  serverTime?(): Promise<number>

  /**
   * Calls the listener after another connection has changed data. Writes of this connection cause no call. If a call does not
   * arrive, work waits until the next poll.
   */
  subscribe?(listener: (wakeUp: WakeUp) => void): () => void

  /** Closes the storage; further calls reject with `STORAGE_CLOSED`. `close` may be called twice. */
  close(): Promise<void>
}

/**
 * The names of the storage methods that only read. Core forwards the calls of all these methods by this list, so a new reading
 * method needs only this name and its declaration in {@link Storage}.
 */
export const readingMethods = ['get', 'listJobs', 'listOccurrences'] as const

/** The name of a storage method that only reads. */
export type ReadingMethod = (typeof readingMethods)[number]

/** Returns an object with all reading methods. Each of them passes its name and its request to `call`. */
export function readsBy(
  call: (method: ReadingMethod, request: never) => Promise<unknown>,
): Pick<Storage, ReadingMethod> {
  const reads = readingMethods.map((method) => [method, (request: never) => call(method, request)])
  return Object.fromEntries(reads) as Pick<Storage, ReadingMethod>
}

/**
 * A storage inside a transaction of the caller. The storage neither begins nor ends the transaction. A call that rejects leaves
 * the transaction unchanged, or makes its commit impossible.
 *
 * The locks of its steps last until the transaction ends.
 */
export interface StorageWithin extends Pick<Storage, 'createOccurrences' | 'settle'> {
  /**
   * Makes the commit of the transaction impossible: the caller can only roll it back. The storage may discard the transaction's
   * writes and savepoints at once. Works on a closed storage too, so that a handler that ignores `STORAGE_CLOSED` cannot commit
   * its other writes.
   */
  forbidCommit(): Promise<void>
}

/** The properties of a storage that tune the engine. */
export interface StorageCapabilities {
  /** Maximum number of items that the engine sends in one call. At least 1. */
  readonly maxBatch: number
  /**
   * Number of waiting items that justifies a concurrent call. If at least this many ended runs wait to be stored, the engine
   * sends a further `settle` while another one is in progress. Default `maxBatch`. Set a lower number if the storage processes
   * several calls at once.
   */
  readonly worthwhileBatch?: number
  /** True when several processes can use the same data at once. */
  readonly multiProcess: boolean
  /** What an acknowledged write survives. `none`: nothing. `process`: `kill -9` of every node. `power`: a power cut. */
  readonly durability: 'none' | 'process' | 'power'
  /** Maximum number of queued occurrences of one job. Core rejects a larger `maxQueued`. Default: unlimited. */
  readonly maxQueued?: number
  /** Resolution of `serverTime`, in milliseconds. Default 1. */
  readonly serverTimeResolutionMs?: number
  /**
   * Whether `listJobs` supports `due`: the storage finds jobs by their next instant. The cost grows with the number of jobs
   * found, not with the number of jobs stored. Default false.
   */
  readonly findsDueJobs?: boolean
  /**
   * Whether `settle` supports `takeNext`. The engine sends `takeNext` only to such a storage. Default false.
   */
  readonly takesNext?: boolean
  /** Default heartbeat interval of a node on this storage, in milliseconds. Default 5,000. */
  readonly heartbeatMs?: number
}

/** A message to the listeners of `subscribe`: another connection has changed data. */
export interface WakeUp {
  /**
   * `due`: an occurrence may be ready for a claim. `cancel`: a running occurrence has a cancel request. `jobs`: a
   * definition or a pause changed. `nodes`: a node has started or is leaving, see `isNodesNews`.
   */
  readonly kind: 'due' | 'cancel' | 'jobs' | 'nodes'
}

// ---------------------------------------------------------------------------------------------------------- saveJobs

/** The request of a call of `saveJobs`: the changes of jobs to make, and the instant of the call. */
export interface SaveJobsRequest {
  readonly now: number
  /** The changes, which take effect in this order. Each change is atomic. */
  readonly changes: readonly JobChange[]
  /**
   * Maximum number of waiting occurrences that a single `delete`, `replace` or `create` cancels. At least 1. Default:
   * unlimited.
   */
  readonly cancelLimit?: number
}

/** The members of {@link JobRecord} that are part of a definition. */
export type JobContent = Pick<
  JobRecord,
  'name' | 'owner' | 'fingerprint' | 'definition' | 'handlerKey' | 'overlap' | 'timeline' | 'nextAt'
>

/** One atomic change of a job. */
export type JobChange =
  /**
   * Stores a job that does not exist, as version 1 with `createdAt = changedAt = now` and `watermark = now`.
   *
   * Over a tombstone, the job gets the next version and the tombstone's prune floor. Its watermark is the latest of the
   * tombstone's watermark, the prune floor and `now`.
   *
   * Answers `conflict` in two cases:
   * - The slot at `nextAt` was already decided before the job was deleted.
   * - More than `cancelLimit` occurrences of the deleted job wait. Each call cancels up to `cancelLimit` of them.
   */
  | { readonly kind: 'create'; readonly id: JobId; readonly content: JobContent }
  /**
   * Replaces the content of a job. If the version or the watermark is no longer the expected one, the answer is `conflict`.
   *
   * Effects:
   * - The version grows by 1, and the old fingerprint becomes the first of the lineage.
   * - Under the overlap policy `allow`, each queued occurrence becomes pending, in this step or in a later one.
   * - `setBackTo` sets the watermark back after a wrong clock has moved it ahead. Records of occurrences stay, and slots with a
   *   record do not run again.
   * - With `waiting: 'cancel'`, waiting slots that no node has started become `canceled` with the reason `updated`.
   *
   * If more than `cancelLimit` slots wait, one change does not cancel all of them. The answer then has `more`, and the head
   * keeps the new version as `cancelsBelow`. The remaining slots never start. The engine repeats the change to cancel them. The
   * repetition also works after a later `replace`, unless that `replace` has `waiting: 'cancel'` too.
   *
   * The answer is also `conflict` in two cases:
   * - The content's next instant is at or before the prune floor.
   * - With `setBackTo`: the content's next instant or the watermark is at or before `setBackTo`.
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
   * Sets or lifts (`null`) the pause of a job, without a new version. Answers `unchanged` in two cases: the new pause ends no
   * later than the stored one, or the pause to lift has already ended. A pause with `until` ends at that instant without a
   * write: `paused` stays in the head. Each step compares `until` with its own `now`, or with the `scheduledAt` of a slot.
   */
  | { readonly kind: 'pause'; readonly id: JobId; readonly paused: PauseRecord | null }
  /**
   * Makes the job a tombstone and cancels its waiting occurrences with the reason `deleted`; running occurrences continue. If
   * more than `cancelLimit` occurrences wait, the answer has `more`, and the remaining occurrences never start. The engine
   * repeats the change to cancel them.
   */
  | { readonly kind: 'delete'; readonly id: JobId; readonly expectedVersion: number | null }

/** The answer to a change. `job` is the stored head after the step. */
export type SaveJobAnswer =
  | {
      readonly outcome: 'saved'
      readonly job: JobRecord
      /** The waiting occurrences that `replace` or `delete` canceled. */
      readonly canceled: readonly OccurrenceAddress[]
      /** `true`: the caller must repeat the change to cancel further occurrences. */
      readonly more?: true
    }
  /**
   * `exists`, `unchanged`: the job already exists (`create`), or already has the requested state. `conflict`: the storage has
   * another version or watermark than the change expects. For the other conflicts of `create` and `replace`, see
   * {@link JobChange}.
   */
  | { readonly outcome: 'exists' | 'unchanged' | 'conflict'; readonly job: JobRecord }
  /** The job does not exist, or was deleted. */
  | { readonly outcome: 'absent' }

// ------------------------------------------------------------------------------------------------- createOccurrences

/**
 * The request of a call of `createOccurrences`: the items to create, the owner of the occurrences that start, and the instant
 * of the call.
 */
export interface CreateOccurrencesRequest extends ItemsRequest<CreateItem> {
  /** The node that becomes the owner of the occurrences that the call starts. */
  readonly owner: Owner
}

/** The request of a call with items: the instant of the call, and one item per occurrence. */
export interface ItemsRequest<Item> {
  readonly now: number
  readonly items: readonly Item[]
}

/** Fields of each item of `createOccurrences`. */
export interface CreateItemBase extends OccurrenceAddress {
  /** The version of the job that the node knows. The storage rejects the item if the stored version is newer. */
  readonly jobVersion: number
}

/** Creates a slot of the job: the job's next instant. The item also states the next instant after this slot. */
export interface CreateSlot extends CreateItemBase {
  readonly kind: 'slot'
  /** The job's next instant after this slot; `null` if no slot follows. */
  readonly nextAt: number | null
  readonly executionTimeoutMs: number
  readonly details: OccurrenceDetails
  /**
   * Task runs with which the storage starts the occurrence now, if the rules allow it. Their attempts are already `running`.
   * `null`: the occurrence stays pending.
   */
  readonly runs: readonly TaskRunRecord[] | null
}

/**
 * Creates a trigger or a replay, outside the schedule. The watermark does not move. The id alone decides whether the occurrence
 * exists: a repeated request can have a different `scheduledAt`.
 */
export interface CreateRequested extends CreateItemBase {
  readonly kind: 'trigger' | 'replay'
  /**
   * Earliest instant at which a claim may take the occurrence. If this instant is later than `now`, the occurrence is delayed,
   * see `isDelayed`: `runs` must not start it. The storage creates a delayed occurrence as pending with the reason `delayed`.
   * The overlap policy and the other occurrences of the job have no effect on this state.
   */
  readonly dueAt: number
  readonly executionTimeoutMs: number
  readonly details: OccurrenceDetails
  /** Task runs to start the occurrence with, as for a slot; `null`: the occurrence stays pending. */
  readonly runs: readonly TaskRunRecord[] | null
  /**
   * The id of the record if the request is skipped. The id of the request then stays free, and the caller may send the
   * request again. Default: the item's id.
   */
  readonly skippedId?: OccurrenceId
  /**
   * A reusable key, which at most one occurrence of the job holds.
   * - If the key's last occurrence still blocks the key, the answer is `exists` with that occurrence.
   * - Otherwise the item creates a record with `details.keyId`. In the same atomic step, that record becomes the key's last
   *   occurrence, unless the record is `skipped`.
   * - A request with the same key but without a scope creates a record whose own id is `key.id`. Such a record also blocks the
   *   key.
   */
  readonly key?: ReusableKey
}

/** A reusable key, see {@link CreateRequested.key}. */
export interface ReusableKey {
  /** The id of the key. A request with this key but without a scope creates an occurrence with this id. */
  readonly id: OccurrenceId
  /** Until when an occurrence blocks its key: until its first start (`waiting`), or until its end (`live`). */
  readonly scope: 'waiting' | 'live'
}

/**
 * Cancels a future slot: the storage creates the slot as `canceled`, and the watermark passes the slot when the slot comes
 * due.
 */
export interface CreateExclusion extends CreateItemBase {
  readonly kind: 'exclusion'
  readonly reason: string
  readonly details: OccurrenceDetails
}

/**
 * Decides several missed slots at once. If the watermark is still `expectedWatermark`, the storage moves the watermark past all
 * of these slots. In the same step, the storage creates the entries of the recovery strategy. `id` and `scheduledAt` belong to
 * the last slot.
 */
export interface CreateRecovery extends CreateItemBase {
  readonly kind: 'recovery'
  /** The job's watermark, as the node knows it. If the stored watermark differs, another node has already decided the slots. */
  readonly expectedWatermark: number
  /** The job's watermark after the recovery. Must not lie before `scheduledAt`. */
  readonly watermark: number
  /** The job's next instant after the recovery; `null` if the schedule has ended. */
  readonly nextAt: number | null
  /** The entries of the recovery, in the order of their instants. */
  readonly entries: readonly RecoveryEntry[]
}

/**
 * A decision of a recovery about missed slots: one run for one or several slots, or one `missed` record for slots that do not
 * run.
 */
export type RecoveryEntry =
  /**
   * One run for a missed slot, or for several missed slots (`details.span`). If the job has a free place, the storage creates
   * the run as pending, otherwise as queued.
   *
   * A record with the id of the run may exist already:
   * - Run for one slot: the record stays, and the storage creates no run.
   * - Run for several slots: the storage rejects the whole item as `off_schedule`. The node did not know the record when it
   *   decided the slots.
   */
  | {
      readonly kind: 'run'
      readonly id: OccurrenceId
      readonly scheduledAt: number
      readonly executionTimeoutMs: number
      readonly details: OccurrenceDetails
    }
  /**
   * The slots do not run: one `missed` record covers all slots of the span. For a single slot, `id` is the slot's id. For
   * several slots, `id` is no slot's id, because the first slot may have a record of its own.
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
 * The answer to an item of `createOccurrences`. The rules check an item in this order: `exists`, `absent`, `pruned`,
 * `stale_version`, `off_schedule`, `queue_full`, `created`.
 */
export type CreateAnswer =
  | {
      readonly outcome: 'created'
      /** The state of the occurrence. For a recovery: the state of its last entry. */
      readonly state: OccurrenceState
      readonly token: number
      /**
       * Why the occurrence is `skipped` or `canceled`, or why it waits. `null` without a reason. Reasons of a pending
       * occurrence:
       * - `delayed`: a request waits until its `dueAt`.
       * - `start_rate`: the start rate of the job allows no start yet.
       */
      readonly reason: string | null
      /** Waiting occurrences that this occurrence displaced (`queue_one`, `cancel_running`); they are now `canceled`. */
      readonly displaced: readonly OccurrenceAddress[]
      /** Running occurrences that got a cancel request (`cancel_running`). */
      readonly cancelRequested: readonly CancelNotice[]
    }
  /**
   * An occurrence already has the item's id, or blocks the item's `key`. The storage creates no occurrence.
   * - If the calling node owns the existing occurrence, the answer to an earlier call was lost. The node then continues the
   *   run.
   * - If the job's `nextAt` is still the slot of a slot item, the storage moves the job's next instant past this slot.
   * - A recovery item gets this answer only if the watermark is no longer `expectedWatermark`. A record of the last slot is not
   *   enough: a slot that was canceled ahead has a record, too.
   */
  | {
      readonly outcome: 'exists'
      /**
       * The id of the existing occurrence, if another occurrence blocks the `key` of the item. Absent if the occurrence
       * with the item's id exists.
       */
      readonly id?: OccurrenceId
      readonly state: OccurrenceState
      readonly token: number
      readonly owner: Owner | null
      readonly watermark: number
      readonly nextAt: number | null
    }
  /** The job does not exist, or was deleted. */
  | { readonly outcome: 'absent' }
  /** The item's instant is at or before the prune floor. */
  | { readonly outcome: 'pruned'; readonly pruneFloor: number }
  | { readonly outcome: 'stale_version'; readonly version: number }
  /**
   * The item does not fit the schedule of the job, for one of these reasons:
   * - Slot: the item's instant is not the job's `nextAt`.
   * - Slot to cancel ahead (`exclusion`): the slot is at or before the watermark.
   * - Recovery: the job's watermark is not `expectedWatermark`.
   * - Recovery: one run covers several slots, and a record with the id of this run exists.
   */
  | { readonly outcome: 'off_schedule'; readonly watermark: number; readonly nextAt: number | null }
  /**
   * The overlap policy is `queue`, and `maxQueued` occurrences are queued already. The storage rejects the item, which is a
   * trigger or a replay, and stores no record. A slot never gets this answer: the storage stores the slot as `skipped` with
   * the reason `queue_full`.
   */
  | { readonly outcome: 'queue_full'; readonly maxQueued: number }

// -------------------------------------------------------------------------------------------------------------- claim

/** Which occurrences `claim` may take, and for which owner. */
export interface ClaimRequest {
  readonly now: number
  readonly owner: Owner
  /**
   * Maximum number of occurrences to claim. With 0, the storage claims no occurrence and fills the other members of the answer.
   */
  readonly limit: number
  /** Handler keys of jobs that this node cannot run. The claim leaves these jobs out. */
  readonly exceptHandlerKeys: readonly string[]
  /**
   * Whether the claim also repairs jobs. It then wakes queued occurrences of jobs without an active occurrence. It also cancels
   * some waiting occurrences of deleted jobs, and some superseded slots of replaced jobs.
   */
  readonly sweep: boolean
}

/**
 * The answer to a claim. A claim leaves out jobs that are paused at `now`. A claim cancels the occurrences of deleted jobs
 * that it reads. For all other due occurrences, a claim follows two rules:
 * - Overlap policy: a claim starts no more occurrences of a job than the policy allows. The claim makes further due
 *   occurrences `queued`.
 * - Start rate: a claim starts no more occurrences of a job than the rate allows. The first further occurrence stays pending
 *   until the next allowed start. The claim makes the rest `queued`. Each start wakes the next one.
 */
export interface ClaimAnswer {
  /** The claimed occurrences, now running for the owner, with their `runs`; least `orderAt` first, ties by id. */
  readonly claimed: readonly OccurrenceRecord[]
  /** Running occurrences of this node and incarnation that have a cancel request; least `scheduledAt` first. */
  readonly cancelRequested: readonly CancelNotice[]
  /**
   * True if a further claim has work, for one of two reasons:
   * - More occurrences are due than `limit` allowed.
   * - This claim had to cancel or queue more occurrences than one call can. It may then have claimed fewer than `limit`.
   */
  readonly more: boolean
  /**
   * The next instant after `now` at which a claim can take a pending occurrence: the occurrence is due, and its job is not
   * paused. `null` if no occurrence is pending, or if all pending occurrences belong to jobs whose pause has no end.
   *
   * The instant may be too early, but never too late. If this claim has not taken an occurrence, the storage may use its due
   * instant although its job is paused.
   */
  readonly nextDueAt: number | null
}

/** Tells the owner of a running occurrence to end the occurrence. */
export interface CancelNotice extends OccurrenceAddress {
  readonly token: number
  readonly reason: string
}

// ------------------------------------------------------------------------------------------------------------- settle

/** The request of a call of `settle`: one item per occurrence, and the instant of the call. */
export type SettleRequest = ItemsRequest<SettleItem>

/** A change of one occurrence, sent by the owner of the occurrence. */
export interface SettleItem extends OccurrenceAddress {
  readonly token: number
  /**
   * The owner that sends the item. If the record belongs to another incarnation, the item is `lost`. Without an owner, the
   * storage compares only the token.
   */
  readonly owner?: Owner | null
  /**
   * Number of the item under its token: 1, 2, 3 … If the record has the same sequence, the item is a repetition (`ok`, nothing
   * changes). If the record has a larger sequence, the item is `lost`.
   */
  readonly sequence: number
  /**
   * Set if the owner does not know whether the transaction of an earlier item was committed. Only for a storage with `within`.
   *
   * The owner sets `upToSequence` to its last sequence before that earlier item. If the record has a higher sequence, the
   * transaction was committed, and the new item is `lost`.
   */
  readonly upToSequence?: number
  /** All task runs of the occurrence so far, which replace the stored task runs. */
  readonly runs: readonly TaskRunRecord[]
  /** The effect of the item on the occurrence. */
  readonly change: SettleChange
  /**
   * For a `finish`: the owner that takes the job's next queued occurrence, which becomes running as after a claim. Only with
   * the capability `takesNext`. Conditions:
   * - The next occurrence is due, and its job is not paused.
   * - Under a start rate, the rate allows a start now, and no occurrence of the job is pending except delayed ones
   *   (`isDelayed`).
   *
   * If a condition does not hold, the finish wakes the next occurrence instead.
   */
  readonly takeNext?: Owner
}

/** The effect of a `settle` on a running occurrence. */
export type SettleChange =
  /** Attempts have started or ended; the occurrence continues. */
  | { readonly kind: 'progress' }
  /**
   * The occurrence ends. The same step wakes the job's next queued occurrence (least `orderAt`). With `takeNext`, the step
   * starts that occurrence instead, if its conditions hold.
   */
  | { readonly kind: 'finish'; readonly state: FinalState; readonly reason: string | null }
  /** The owner hands the occurrence back: it becomes pending again, for any node, and due at `dueAt`. */
  | { readonly kind: 'release'; readonly dueAt: number; readonly reason: string | null }

/** The storage's answer to the owner of an occurrence. */
export type SettleAnswer =
  | {
      readonly outcome: 'ok'
      /** The occurrence that the finish woke, which is now pending; `null` if the finish woke none. */
      readonly woken: OccurrenceAddress | null
      /** The reason of the occurrence's cancel request; `null` without a request. */
      readonly cancelRequested: string | null
      /** The occurrence that `takeNext` took, which is now running, with its `runs`. Absent if `takeNext` took none. */
      readonly taken?: OccurrenceRecord
      /**
       * True if the item has `takeNext` and repeats an earlier call. The storage then takes no occurrence. The earlier call may
       * have taken an occurrence. The owner finds that occurrence among its running occurrences in the storage.
       */
      readonly repeated?: true
    }
  /**
   * The item does not match the record: its token, its owner or its sequence is outdated. `absent`: the record does not exist.
   */
  | { readonly outcome: 'lost'; readonly state: OccurrenceState | 'absent'; readonly token: number }

// ------------------------------------------------------------------------------------------------------------- cancel

/** The request of a call of `cancel`: the occurrences to cancel, and the instant of the call. */
export type CancelOccurrencesRequest = ItemsRequest<CancelItem>

/** An item of `cancel`: the occurrence to cancel, and how. */
export interface CancelItem extends OccurrenceAddress {
  readonly reason: string
  readonly actor: string | null
  /**
   * How to cancel a running occurrence. In both modes, the storage cancels a waiting occurrence at once, and leaves the
   * stored task runs unchanged.
   * - `request`: the storage stores a cancel request for the owner.
   * - `force`: the storage ends the occurrence at once and invalidates the owner's token.
   */
  readonly mode: 'request' | 'force'
}

/** The storage's answer to an item of `cancel`. */
export type CancelAnswer =
  | { readonly outcome: 'canceled'; readonly woken: OccurrenceAddress | null }
  /** The occurrence is running, and its owner has a cancel request. A further request does not replace the first one. */
  | { readonly outcome: 'requested'; readonly token: number; readonly owner: Owner }
  | { readonly outcome: 'final'; readonly state: FinalState }
  | { readonly outcome: 'absent' }

// --------------------------------------------------------------------------------------------------------------- reap

/** The request of a call of `reap`: the occurrences to take from their owners, and the instant of the call. */
export type ReapRequest = ItemsRequest<ReapItem>

/**
 * An item of `reap`. The item takes effect if its token, sequence and owner still match the record:
 * - `owner` is the owner from which to take the occurrence. The same rules apply as to a {@link SettleItem}.
 * - `sequence` is that of the last accepted `settle`, as the caller knows it. If the record has another sequence, the owner has
 *   sent a further `settle`, and the item is `lost`.
 * - `runs` are the task runs to store, with unfinished attempts ended as `lost`.
 */
export interface ReapItem extends Omit<SettleItem, 'upToSequence' | 'change' | 'takeNext'> {
  /**
   * `fail`: the occurrence becomes `failed_stale`, and the storage wakes the job's next queued occurrence. `retry`: the
   * occurrence becomes pending again, and any node may claim it.
   */
  readonly action: 'fail' | 'retry'
  readonly reason: string
}

/** The storage's answer to an item of `reap`. */
export type ReapAnswer =
  | { readonly outcome: 'reaped'; readonly woken: OccurrenceAddress | null }
  | { readonly outcome: 'lost'; readonly state: OccurrenceState | 'absent'; readonly token: number }

// ------------------------------------------------------------------------------------------------------ get and list

/** The records that `get` reads. If a member is absent, the member of the same name in the answer is an empty list. */
export interface GetRequest {
  /** Ids of the jobs whose heads to read, tombstones included. */
  readonly jobs?: readonly JobId[]
  /** Versions of jobs to read, earlier versions included. */
  readonly versions?: readonly { readonly jobId: JobId; readonly version: number }[]
  /** Ids of the occurrences to read, with their runs. */
  readonly occurrences?: readonly OccurrenceId[]
  /** Jobs whose live occurrences to count; `all` counts the live occurrences of all jobs together. */
  readonly counts?: readonly (JobId | 'all')[]
  /**
   * Ids of the jobs whose latest finished run to read. This run is the final occurrence with the greatest `scheduledAt` (ties
   * by id) and a token above 0.
   *
   * Token 0 means that no node has started the occurrence, because it was skipped, missed or canceled before its start. The
   * storage ignores these occurrences. Storages keep no extra data to find the run. Therefore, after about a thousand ignored
   * occurrences in a row, the storage may answer `null`.
   */
  readonly latest?: readonly JobId[]
}

/**
 * Counts of live occurrences, by state: `pending` ones wait for a node, `queued` ones for another occurrence of their job, and a
 * node owns `running` ones. A storage usually updates the stored counts with each write. So it need not count the records in a
 * read, and a read costs the same for any number of occurrences.
 */
export type LiveCounts = Readonly<Record<LiveState, number>>

/**
 * The answer of `get`. Each list answers the list of the same name in the request, in the same order. `null` means that the
 * record does not exist.
 */
export interface GetAnswer {
  /** The heads of the jobs that are listed in `jobs` of the request. */
  readonly jobs: readonly (JobRecord | null)[]
  /** The versions that are listed in `versions` of the request. */
  readonly versions: readonly (JobVersionRecord | null)[]
  /** The occurrences that are listed in `occurrences` of the request. */
  readonly occurrences: readonly (OccurrenceRecord | null)[]
  /** The counts for the entries of `counts` of the request; zeros for a job that does not exist. */
  readonly counts: readonly LiveCounts[]
  /** The latest finished run of each job in `latest` of the request, without task runs. */
  readonly latest: readonly (OccurrenceRecord | null)[]
}

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  /** The cursor of the next page; `null` on the last page. Pages before the last may be shorter than `limit`, even empty. */
  readonly cursor: string | null
}

/** Which page of a list to read. */
export interface PageRequest {
  /** Maximum number of items of the page; at least 1. */
  readonly limit: number
  /** The member `cursor` of the previous {@link Page}; `null` to read the first page. */
  readonly cursor: string | null
}

/** Which jobs `listJobs` reads. */
export interface JobQuery extends PageRequest {
  /** Reads only jobs with `changedAt` at or after this instant. Default: all jobs. */
  readonly changedSince?: number
  /** Reads only jobs with this owner tag. Default: all jobs. */
  readonly owner?: string
  /** Whether to include tombstones. Default false. */
  readonly deleted?: boolean
  /**
   * Reads only jobs whose next instant is due, ordered by their next instants, ties by id. A job with less than 10 s between
   * its slots may stand too early in this order, by up to 10 s. `due` cannot be combined with the other filters. Only with
   * the capability `findsDueJobs`.
   */
  readonly due?: DueJobs
}

/** Which due jobs to list. Paused jobs are included, because a node must record their slots as skipped. */
export interface DueJobs {
  /** Reads only jobs whose next instant is after this instant, in epoch milliseconds. Default: no limit. */
  readonly after?: number
  /** Reads only jobs whose next instant is at or before this instant, in epoch milliseconds. */
  readonly upTo: number
  /** The shards whose jobs to read, in ascending order and without repetition, see `shardOf`. Default: all shards. */
  readonly shards?: readonly number[]
}

/** Which occurrences `listOccurrences` reads. */
export type OccurrenceQuery =
  /** Reads the history of one job by `scheduledAt` (ties by id), `from` inclusive, `to` exclusive. */
  | (PageRequest & {
      readonly kind: 'job'
      readonly jobId: JobId
      readonly from?: number
      readonly to?: number
      readonly states?: readonly OccurrenceState[]
      readonly order: 'ascending' | 'descending'
      /** Whether to read the task runs; `false` leaves `runs` empty. */
      readonly runs: boolean
    })
  /** Reads the live occurrences of all jobs. The adapter chooses the order. */
  | (PageRequest & {
      readonly kind: 'live'
      readonly state: LiveState
      /** Name of a node. Reads only running occurrences that belong to this node. */
      readonly node?: string
      /** Reads only running occurrences whose deadline lies at or before this instant. */
      readonly deadlineBefore?: number
      readonly runs: boolean
    })
  /**
   * Reads occurrences in one of the `failedStates`, by `finishedAt` (ties by id), `from` inclusive, `to` exclusive. The
   * storage reads an index of failures, so that the cost does not grow with the history. The index may be eventually
   * consistent: a recent failure may still be missing.
   */
  | (PageRequest & {
      readonly kind: 'failed'
      /** Reads only failures of this job. Default: failures of all jobs. */
      readonly jobId?: JobId
      readonly from?: number
      readonly to?: number
      readonly order: 'ascending' | 'descending'
      readonly runs: boolean
    })

// -------------------------------------------------------------------------------------------------------------- prune

/** Which history `prune` removes. */
export interface PruneRequest {
  readonly now: number
  /** The job whose history to remove; `null` for all jobs. */
  readonly jobId: JobId | null
  /**
   * The storage removes final occurrences with `scheduledAt` before this instant. If the job has a next instant, the storage
   * removes only occurrences before the next instant.
   *
   * Before the removal, the storage raises the job's prune floor. The new floor is at or after the `scheduledAt` and the slot
   * of each occurrence to remove. The floor may be after the watermark.
   *
   * The storage also removes:
   * - versions without a reference,
   * - tombstones that have no occurrences and whose jobs were deleted before this instant.
   */
  readonly before: number
  /** Number of latest final occurrences of each job to keep in any case. */
  readonly keep: number
  /** Approximate maximum number of removals per call, so that a call does not take long. At least 1. */
  readonly limit: number
}

/** The result of a call of `prune`. */
export interface PruneAnswer {
  /** Number of occurrences that the call removed. Concurrent calls may count the same occurrence. */
  readonly removed: number
  /** True if a further call would remove more. */
  readonly more: boolean
}

// ---------------------------------------------------------------------------------------------------------- heartbeat

/** The records that `heartbeat` writes, removes and reads. */
export interface HeartbeatRequest {
  readonly now: number
  /**
   * The record of the calling node. The storage writes this record if it has no record of the incarnation, or a record with a
   * smaller counter. `null`: the call only reads.
   */
  readonly own: NodeRecord | null
  /** The profile of the calling node, to store beside its record `own`. Absent: the storage keeps the profile that it has. */
  readonly profile?: NodeProfile
  /**
   * Node records to remove, together with their profiles. The storage removes a record only if its counter still equals the
   * given counter. A larger counter shows that the node is alive. The storage removes these records before it writes `own`.
   */
  readonly remove: readonly NodeAtCounter[]
  /** Incarnations whose profiles to read. */
  readonly profilesOf: readonly string[]
}

/** A node record, with the counter that the sender has read. */
export interface NodeAtCounter {
  /** The incarnation of the node whose record to remove. */
  readonly incarnation: string
  /** The heartbeat counter that the caller last read in the node record. */
  readonly counter: number
}

/** The records that `heartbeat` has read. */
export interface HeartbeatAnswer {
  /** All node records after the step, including the sender's own, by incarnation. */
  readonly nodes: readonly NodeRecord[]
  /** The profiles of the incarnations in `profilesOf`; `null` for a profile that does not exist. */
  readonly profiles: readonly (NodeProfile | null)[]
}
