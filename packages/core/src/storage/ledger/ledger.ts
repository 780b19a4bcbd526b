import type { JobId, OccurrenceId } from '../../ids.ts'
import type { JobRecord, JobVersionRecord } from '../job-record.ts'
import type { LiveState, OccurrenceAddress, OccurrenceRecord, Owner } from '../occurrence-record.ts'
import type {
  CreateAnswer,
  CreateItem,
  HeartbeatAnswer,
  HeartbeatRequest,
  PruneAnswer,
  PruneRequest,
  ReadingMethod,
  SettleAnswer,
  SettleItem,
  Storage,
  StorageCapabilities,
  WakeUp,
} from '../storage.ts'
import type { JobCounts, JobLedger, LedgerEntry, LedgerHead } from './job-ledger.ts'
import type { MaybePromise } from './maybe-promise.ts'

/** The primitives of an adapter that remove history. */
export interface HistoryRemover {
  /**
   * Removes final occurrences of a job and raises its prune floor to `floor`. The ledger must raise the floor before the
   * removal or in the same write. Otherwise a removed slot could be created again. Returns the number of removed occurrences;
   * concurrent calls may count an occurrence twice. Returns `null`, without a change, if the job does not exist or its next
   * instant lies at or before the floor.
   */
  removeHistory(removal: HistoryRemoval): MaybePromise<number | null>
  /**
   * Removes records of a job that are no longer needed:
   * - the tombstone, if the job was deleted before `before` and has no occurrences
   * - each version to which no occurrence refers; if the head of the job stays, the version in force stays too
   */
  forget(jobId: JobId, before: number): MaybePromise<void>
}

/**
 * The part of a storage that an adapter supplies; `storageFromLedger` makes a complete `Storage` of a ledger.
 *
 * - `sync`: the data can be read and written within one synchronous transaction (memory, an embedded database).
 * - `async`: reads and writes are asynchronous (a server, a key-value store).
 */
export type Ledger = SyncLedger | AsyncLedger

/** Operations of a ledger that concern the commit of a user's transaction, see `Storage.within`. */
export interface CommitControl {
  /** Makes the commit of the user's transaction impossible, as `StorageWithin.forbidCommit` does. */
  forbidCommit(): MaybePromise<void>
  /** Makes the storage send wake-ups to the other connections after the commit of the user's transaction. */
  notify?(kinds: ReadonlySet<WakeUp['kind']>): MaybePromise<void>
}

/**
 * A synchronous ledger inside a user's transaction. Its `transaction` undoes the writes of a step that throws, but never begins
 * or commits the user's transaction.
 */
export interface SyncLedgerWithin<Entry extends LedgerEntry = LedgerEntry>
  extends Pick<SyncLedger<Entry>, 'transaction' | 'job' | 'quickCreate' | 'quickSettle' | 'notify'>,
    Pick<CommitControl, 'forbidCommit'> {}

/** An asynchronous ledger inside a user's transaction, as {@link SyncLedgerWithin}. */
export interface AsyncLedgerWithin extends Pick<AsyncLedger, 'run' | 'quickSettle'>, CommitControl {}

/**
 * The reads outside of steps, which answer as the methods of `Storage` with the same names do. The answers of `listOccurrences`
 * and the `latest` of `get` may contain task runs that were not requested; core removes these runs.
 */
export type LedgerReads = {
  readonly [Method in ReadingMethod]: (
    request: Parameters<Storage[Method]>[0],
  ) => MaybePromise<Awaited<ReturnType<Storage[Method]>>>
}

/**
 * The members that both kinds of ledger have: properties, reads outside of steps, removal of history, node records, wake-ups,
 * and closing.
 */
export interface LedgerBase extends LedgerReads {
  /** The call with which a user opens this storage, as messages name it: `memoryStorage()`. */
  readonly opener: string
  /** The properties of the storage that tune the engine, as in `Storage`. */
  readonly capabilities: StorageCapabilities
  /**
   * True if the ledger stores the objects that core passes, and later returns the same objects. Core then copies the inputs and
   * outputs of its steps. False for a ledger that serializes.
   */
  readonly keepsObjects: boolean

  /** The primitives for core's `prune`, or a complete `prune` of the adapter. */
  readonly history: HistoryRemover | { prune(request: PruneRequest): MaybePromise<PruneAnswer> }

  /** Writes and reads node records as `Storage.heartbeat` does. */
  heartbeat(request: HeartbeatRequest): MaybePromise<HeartbeatAnswer>

  /** Reads the clock of the storage, as `Storage.serverTime` does. */
  serverTime?(): Promise<number>
  /** Registers a listener for wake-ups, as `Storage.subscribe` does. */
  subscribe?(listener: (wakeUp: WakeUp) => void): () => void
  /**
   * Sends wake-ups for the changes of a stored step to the other connections. A lost wake-up delays work until the next poll.
   */
  notify?(kinds: ReadonlySet<WakeUp['kind']>): void
  /** Closes the connection. Core calls `close` once. */
  close(): MaybePromise<void>
}

/** What `removeHistory` removes. */
export interface HistoryRemoval {
  readonly jobId: JobId
  /** Final occurrences to remove, oldest first. */
  readonly occurrences: readonly OccurrenceAddress[]
  /** The reusable keys of the removed occurrences: each with the occurrence whose `details.keyId` it is. The ledger frees each key whose last occurrence is removed. */
  readonly keys: readonly { readonly keyId: OccurrenceId; readonly occurrence: OccurrenceAddress }[]
  /** The new prune floor of the job, in epoch milliseconds. */
  readonly floor: number
}

/** Which pending occurrences a claim may take. */
export interface DueQuery {
  readonly now: number
  /** Handler keys of jobs that the node cannot run. */
  readonly exceptHandlerKeys: readonly string[]
}

/** The answer of a fast path that has created and started the occurrence of a slot. */
export const slotStarted: CreateAnswer = Object.freeze({
  outcome: 'created',
  state: 'running',
  token: 1,
  reason: null,
  displaced: Object.freeze([]),
  cancelRequested: Object.freeze([]),
})

/** The answer of a fast path that has settled an occurrence without waking another occurrence. */
export const settledAlone: SettleAnswer = Object.freeze({ outcome: 'ok', woken: null, cancelRequested: null })

/** A ledger with synchronous steps. All reads and writes of a step happen within one call of `transaction`. */
export interface SyncLedger<Entry extends LedgerEntry = LedgerEntry> extends LedgerBase {
  readonly kind: 'sync'

  /**
   * Returns the ledger inside a transaction of the caller, for `Storage.within`.
   * @throws JobistemerError `INVALID_TRANSACTION`
   */
  within?(transaction: unknown): SyncLedgerWithin<Entry>

  /**
   * Runs a writing step exclusively. If the call resolves, the whole step is stored; if the call rejects, nothing of the step
   * is stored.
   */
  transaction<T>(now: number, step: () => T): MaybePromise<T>
  /** Runs a reading step. The step sees one consistent state. */
  read<T>(step: () => T): MaybePromise<T>

  // Only steps call the members below.

  /** Returns the job with this id, or its tombstone; `undefined`: the storage has neither. */
  job(id: JobId): JobLedger<Entry> | undefined
  /**
   * An optional fast path that creates the occurrence of an item, so that core need not run a step for this item. If only a
   * step can decide the outcome, changes nothing and returns `null`. Core then runs the step.
   */
  quickCreate?(item: CreateItem, owner: Owner): CreateAnswer | null
  /**
   * An optional fast path that settles an occurrence without a step. The fast path ends an occurrence only if that end wakes no
   * other occurrence. Returns `null`, without a change, if only the step can decide the outcome; core then runs the step.
   */
  quickSettle?(item: SettleItem): SettleAnswer | null
  /** Stores a new job. */
  createJob(job: JobRecord, version: JobVersionRecord): void
  /** Returns whether a job that is not paused has a due pending occurrence. Changes nothing. */
  hasDue(query: DueQuery): boolean
  /** Returns the first `limit` due occurrences, least `orderAt` first, ties by id. */
  due(query: DueQuery, limit: number): readonly { readonly job: JobLedger<Entry>; readonly entry: Entry }[]
  /**
   * Returns when the next pending occurrence becomes due after `now`; `null` if none is pending. The result may be too early.
   */
  nextDueAt(query: DueQuery): number | null
  /** Returns the running occurrences of exactly this owner that have a cancel request, least `scheduledAt` first. */
  cancelRequested(owner: Owner): readonly OccurrenceRecord[]
  /**
   * Returns each job with queued occurrences that a sweep may have to repair. Such a job has no active occurrence, or its
   * `cancelsBelow` is set. A delayed occurrence is not active. Changes nothing.
   */
  stranded(): readonly JobId[]
}

/** A ledger with asynchronous reads and writes. */
export interface AsyncLedger extends LedgerBase {
  readonly kind: 'async'
  /**
   * What one `run` covers:
   * - `call`: all jobs of a call, in one transaction.
   * - `job`: one job, in a separate commit. The commit fails if another commit has changed the records that the step read.
   */
  readonly unit: 'call' | 'job'
  /** Maximum number of items of one job in a step, if `unit` is `job`. Default: all. */
  readonly itemsPerStep?: number
  /** Number of concurrent steps, if `unit` is `job`. Default 1. */
  readonly concurrency?: number

  /**
   * Returns the ledger inside a transaction of the caller, for `Storage.within`; only if `unit` is `call`.
   * @throws JobistemerError `INVALID_TRANSACTION`
   */
  within?(transaction: unknown): AsyncLedgerWithin

  /**
   * Runs one step: reads the records that the step needs, lets the step decide what changes, and writes the changes in one
   * atomic commit. If another commit may have changed these records, `run` repeats the step.
   *
   * If the storage of an adapter has locks, the adapter must lock the heads in the order of `LedgerStep.jobs`. After it has the
   * locks, the adapter must read the occurrences in a separate statement, which sees all commits before the lock.
   *
   * @throws StepTooLarge, with nothing written, when a divisible step is too large for one commit
   */
  run(step: LedgerStep): Promise<void>

  /**
   * An optional fast path that settles one occurrence without a read and without a step. Returns `null`, without a change, if
   * only the step can decide the outcome.
   */
  quickSettle?(item: SettleItem, now: number): Promise<SettleAnswer | null>

  /**
   * Optional fast path for a whole call of `createOccurrences`, in which each item belongs to a different job. Core tries the
   * fast path before it runs the steps. The ledger may write an item by the fast path only under these conditions, which also
   * hold for `quickSettles`:
   * - The ledger can write the item without a read.
   * - The item starts a slot, or ends an occurrence whose end wakes no other occurrence.
   * - The step would certainly have the same outcome.
   *
   * Otherwise the ledger changes nothing for this item and answers `null`, and core runs the step. The answers have the order
   * of the items.
   */
  quickCreates?(
    items: readonly CreateItem[],
    request: { readonly now: number; readonly owner: Owner },
  ): Promise<readonly (CreateAnswer | null)[]>
  /** Optional fast path for whole calls of `settle`, with the conditions of {@link quickCreates}. */
  quickSettles?(items: readonly SettleItem[], now: number): Promise<readonly (SettleAnswer | null)[]>

  /**
   * Reads pending occurrences that seem to be due, least `orderAt` first. The answer is only a hint: the claiming step checks
   * each occurrence again.
   */
  due(query: DueQuery, page: { readonly limit: number; readonly cursor: string | null }): Promise<DuePage>
  /** Reads the next due instant, as {@link SyncLedger.nextDueAt} does. */
  nextDueAt(query: DueQuery): Promise<number | null>
  /** Reads the running occurrences of exactly this owner that have a cancel request, least `scheduledAt` first. */
  cancelRequested(owner: Owner): Promise<readonly OccurrenceRecord[]>
  /**
   * Reads each job with queued occurrences that a sweep may have to repair. Such a job has no active occurrence, or its
   * `cancelsBelow` is set. A delayed occurrence is not active. Core checks each returned job again.
   */
  stranded(): Promise<readonly JobId[]>
}

/** A page of occurrences that may be due. The claiming step checks each of them again. */
export interface DuePage {
  /**
   * The occurrences, least `orderAt` first, ties by id. `dueAt` is the instant at which the occurrence became due. A ledger
   * that also returns occurrences of paused jobs must set `dueAt`. The claim needs it for the `nextDueAt` of its answer.
   */
  readonly occurrences: readonly (OccurrenceAddress & { readonly dueAt?: number })[]
  /** The cursor of the next page; `null` on the last page. */
  readonly cursor: string | null
  /** On the last page: the instant that `nextDueAt` would return. Absent if the pages do not determine this instant. */
  readonly nextDueAt?: number | null
}

/** One step on a job, or on several jobs that change together. */
export interface LedgerStep {
  /** Ids of the jobs, sorted and without repetition: the order in which a ledger locks the heads. */
  readonly jobs: readonly JobId[]
  /** The occurrences that the step's items name, including occurrences that do not exist. */
  readonly occurrences: readonly NamedOccurrence[]
  /** Reusable keys whose last occurrence the step needs. */
  readonly keys: readonly { readonly jobId: JobId; readonly keyId: OccurrenceId }[]
  /** Whether the step needs complete heads, with definitions and timelines. */
  readonly wholeJobs: boolean
  /**
   * Whether the step has several items: after {@link StepTooLarge}, core splits them and runs a step for each half.
   */
  readonly isDivisible: boolean
  /**
   * Whether the step need not wait for long if another transaction holds its job. A claim or a call with further items runs such
   * a step: a later call repeats it, and the other items do not wait.
   */
  readonly isOptional: boolean
  /** Returns the live occurrences that the step needs. If the ledger repeats the step, it calls `needs` again. */
  needs(found: StepHeads): readonly LiveNeed[]
  /**
   * Decides what changes, and returns the writes of the jobs that change. If the ledger repeats the step, it calls `decide`
   * again.
   */
  decide(found: StepState): readonly JobWrite[]
  /**
   * Reports occurrences that the step wanted to end, but that were started before the ledger could end them. Only for a ledger
   * that commits a large step in parts. The ledger calls `outlived` before `run` resolves.
   */
  outlived(occurrences: ReadonlySet<OccurrenceId>): void
}

/**
 * A ledger throws this error if a divisible step is too large for one commit, or if another transaction holds one of its jobs.
 * Core then runs a step for each half.
 */
export class StepTooLarge extends Error {
  override readonly name = 'StepTooLarge'

  constructor() {
    super('The step is too large for one commit.')
  }
}

/** The address of an occurrence that an item of a step names. The ledger must read the occurrence, if it exists. */
export interface NamedOccurrence extends OccurrenceAddress {
  /**
   * True if the id determines the `scheduledAt`: a stored occurrence with this id has the `scheduledAt` of this address. If
   * false, the stored `scheduledAt` may differ. The ledger must then find the occurrence by its id alone.
   */
  readonly isSlot: boolean
}

/**
 * A job that an asynchronous ledger has read. Adapters may add members, such as a revision, which core passes back with the
 * write.
 */
export interface StoredJob {
  /** The head of the job: as the ledger has read it, or as the ledger must write it. */
  readonly head: LedgerHead
  /**
   * Counts of the job's live occurrences. `queued` is exact. `pending` and `running` may be estimates unless {@link
   * LiveNeeds.counts} is set; the sum of the estimates must not be too low.
   */
  readonly counts: JobCounts
  /** The complete head, if the step has `wholeJobs`; otherwise `null`. */
  readonly job: JobRecord | null
}

/** The records that a ledger reads first in a step. */
export interface StepHeads {
  /** The jobs by id, without jobs that do not exist. */
  readonly jobs: ReadonlyMap<JobId, StoredJob>
  /** The named occurrences and the last occurrence of each key, by id. Occurrences that do not exist are left out. */
  readonly occurrences: ReadonlyMap<OccurrenceId, LedgerEntry>
}

/**
 * The live occurrences of one job that the ledger must read. In each state, the ledger reads the given number of occurrences
 * from the beginning of the order of `JobLedger.live`.
 */
export interface LiveNeed extends LiveNeeds {
  readonly jobId: JobId
}

/** The live occurrences of one job that a step needs: how many in each state. */
export type LiveNeeds = { readonly [State in LiveState]: number } & {
  /** Whether the decision needs the exact numbers of pending and running occurrences. Otherwise the numbers may be too high. */
  readonly counts: boolean
  /**
   * The superseded slots that the step needs; `null` if the step needs none. The ledger reads pending and queued occurrences in
   * order until `count` of them are superseded.
   */
  readonly superseded: { readonly cancelsBelow: number; readonly count: number } | null
}

/** All records that the ledger has read for a step. */
export interface StepState extends StepHeads {
  /** The last occurrence of each `namingKey`, by `keyId`. Keys that name no occurrence are left out. */
  readonly keys: ReadonlyMap<OccurrenceId, OccurrenceId>
  /** The live occurrences by job and state: at least the requested ones, in the order of `JobLedger.live`. */
  readonly live: ReadonlyMap<JobId, { readonly [State in LiveState]: readonly LedgerEntry[] }>
}

/** The writes of a step on one job. */
export interface JobWrite {
  readonly jobId: JobId
  /** The head as the ledger has read it; `null` for a new job. */
  readonly before: StoredJob | null
  /** The head to write. Its `job` is present if the definition, the pause or the deletion changed. */
  readonly after: StoredJob
  /** New versions of the job to store. */
  readonly versions: readonly JobVersionRecord[]
  /** The writes on occurrences of the job, at most one for each occurrence. */
  readonly occurrences: readonly OccurrenceWrite[]
}

/** The write of a step on one occurrence. If a new occurrence has a `namingKey`, the key names this occurrence from now on. */
export interface OccurrenceWrite {
  /** The occurrence as the ledger has read it; `null` for a new occurrence. */
  readonly before: LedgerEntry | null
  /** The record of the occurrence after the step, which the ledger writes. */
  readonly after: OccurrenceRecord
}
