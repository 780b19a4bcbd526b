import type { JobId, OccurrenceId } from '../../ids.ts'
import type { JobRecord, JobVersionRecord } from '../job-record.ts'
import type { LiveState, OccurrenceAddress, OccurrenceRecord, Owner } from '../occurrence-record.ts'
import type {
  CreateAnswer,
  CreateItem,
  GetAnswer,
  GetRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  JobQuery,
  OccurrenceQuery,
  Page,
  PruneAnswer,
  PruneRequest,
  SettleAnswer,
  SettleItem,
  StorageCapabilities,
  WakeUp,
} from '../storage.ts'
import type { JobCounts, JobLedger, LedgerEntry, LedgerHead } from './job-ledger.ts'
import type { MaybePromise } from './maybe-promise.ts'

/** The removal of history. */
export interface HistoryRemover {
  /**
   * Removes finished occurrences of a job and raises its prune floor to `floor`, both in one step, or the floor first.
   * Returns the number of removed occurrences; concurrent calls may count the same one. Returns `null`, without a
   * change, if the job does not exist or its next instant lies at or before the floor.
   */
  removeHistory(removal: HistoryRemoval): MaybePromise<number | null>
  /** Drops a tombstone that was deleted before `before` and has no occurrences, and versions that nothing refers to. */
  forget(jobId: JobId, before: number): MaybePromise<void>
}

/**
 * The part that an adapter supplies; `storageFromLedger` makes a complete `Storage` of it.
 *
 * - `sync`: the data can be read and written within one synchronous transaction (memory, an embedded database).
 * - `async`: reads and writes are asynchronous (a server, a key-value store). Core states the needs of a step, decides
 *   on the records read, and states the writes.
 */
export type Ledger = SyncLedger | AsyncLedger

/** Further operations of a step in a user's transaction, see `Storage.within`. */
export interface CommitControl {
  /** As in `StorageWithin`. */
  forbidCommit(): MaybePromise<void>
  /** Sends wake-ups for the changes of a step to the other connections, after the commit of the transaction. */
  notify?(kinds: ReadonlySet<WakeUp['kind']>): MaybePromise<void>
}

/**
 * A synchronous ledger inside a user's transaction. Its `transaction` neither begins nor commits one; it undoes the
 * writes of a step that throws.
 */
export interface SyncLedgerWithin<Entry extends LedgerEntry = LedgerEntry>
  extends Pick<SyncLedger<Entry>, 'transaction' | 'job' | 'quickCreate' | 'quickSettle'>,
    CommitControl {}

/** An asynchronous ledger inside a user's transaction, as {@link SyncLedgerWithin}. */
export interface AsyncLedgerWithin extends Pick<AsyncLedger, 'run' | 'quickSettle'>, CommitControl {}

/** The common part of both kinds of ledger: reads outside of steps, and the life cycle. */
export interface LedgerBase {
  /** How a user opens such a storage, for messages: `memoryStorage()`. */
  readonly opener: string
  /** As in `Storage`. */
  readonly capabilities: StorageCapabilities
  /**
   * True for a ledger that keeps and returns the objects themselves: core then copies the inputs and outputs of its
   * steps. False for a ledger that serializes.
   */
  readonly keepsObjects: boolean

  /** As in `Storage`. The caller owns the result. `latest` may contain task runs, which core removes. */
  get(request: GetRequest): MaybePromise<GetAnswer>
  /** As in `Storage`. What comes out is the caller's. */
  listJobs(query: JobQuery): MaybePromise<Page<JobRecord>>
  /** As in `Storage`. The caller owns the result. It may contain task runs that were not requested, which core removes. */
  listOccurrences(query: OccurrenceQuery): MaybePromise<Page<OccurrenceRecord>>

  /** The primitives of core's `prune`, or a complete `prune` of the ledger. */
  readonly history: HistoryRemover | { prune(request: PruneRequest): MaybePromise<PruneAnswer> }

  /** As in `Storage`. What comes out is the caller's. */
  heartbeat(request: HeartbeatRequest): MaybePromise<HeartbeatAnswer>

  /** As in `Storage`. */
  serverTime?(): Promise<number>
  /** As in `Storage`. */
  subscribe?(listener: (wakeUp: WakeUp) => void): () => void
  /** Sends wake-ups for the changes of a stored step to the other connections. A lost one costs latency only. */
  notify?(kinds: ReadonlySet<WakeUp['kind']>): void
  /** Called once. */
  close(): MaybePromise<void>
}

/** What `removeHistory` takes. */
export interface HistoryRemoval {
  readonly jobId: JobId
  /** Final occurrences, oldest first. */
  readonly occurrences: readonly OccurrenceAddress[]
  /** The keys that these occurrences had when they were created. Each is freed if it still names that occurrence. */
  readonly keys: readonly NamedKey[]
  /** The new prune floor, in epoch milliseconds. */
  readonly floor: number
}

/** A `details.keyId`, and an occurrence with that key. */
export interface NamedKey {
  /** The id of the key. */
  readonly keyId: OccurrenceId
  /** The occurrence that has this `details.keyId`. */
  readonly occurrence: OccurrenceAddress
}

/** Which pending occurrences a claim takes. */
export interface DueQuery {
  readonly now: number
  /** Handler keys that the node cannot serve. */
  readonly exceptHandlerKeys: readonly string[]
}

/** The answer of a fast path that has started a slot. */
export const slotStarted: CreateAnswer = Object.freeze({
  outcome: 'created',
  state: 'running',
  token: 1,
  reason: null,
  displaced: Object.freeze([]),
  cancelRequested: Object.freeze([]),
})

/** The answer of a fast path that has settled an occurrence without waking another one. */
export const settledAlone: SettleAnswer = Object.freeze({ outcome: 'ok', woken: null, cancelRequested: null })

/** A ledger with synchronous steps. All reads and writes of a step happen within one call of `transaction`. */
export interface SyncLedger<Entry extends LedgerEntry = LedgerEntry> extends LedgerBase {
  readonly kind: 'sync'

  /** For `Storage.within`. @throws JobistemerError `INVALID_TRANSACTION` */
  within?(transaction: unknown): SyncLedgerWithin<Entry>

  /** Runs a writing step exclusively. If this resolves, the step is stored; if it rejects, nothing is. */
  transaction<T>(now: number, step: () => T): MaybePromise<T>
  /** Runs a reading step on one consistent state. */
  read<T>(step: () => T): MaybePromise<T>

  // Steps call the following members.

  /** A job, tombstones too. */
  job(id: JobId): JobLedger<Entry> | undefined
  /**
   * An optional fast path for ordinary items. Returns `null`, without a change, for any other item; core then runs the
   * step.
   */
  quickCreate?(item: CreateItem, owner: Owner): CreateAnswer | null
  /** As {@link quickCreate}. Handles an end only if it wakes no occurrence. */
  quickSettle?(item: SettleItem): SettleAnswer | null
  /** Stores a new job. */
  createJob(job: JobRecord, version: JobVersionRecord): void
  /** Whether an unpaused job has a due pending occurrence. Only reads. */
  hasDue(query: DueQuery): boolean
  /** The first `limit` due occurrences, least `orderAt` first, ties by id. */
  due(query: DueQuery, limit: number): readonly { readonly job: JobLedger<Entry>; readonly entry: Entry }[]
  /**
   * When the next pending occurrence becomes due after `now`. May be the earlier instant of an occurrence that the
   * query leaves out. `null` if none is pending.
   */
  nextDueAt(query: DueQuery): number | null
  /** Running ones of exactly this owner that were asked to cancel, least `scheduledAt` first. */
  cancelRequested(owner: Owner): readonly OccurrenceRecord[]
  /** Jobs with queued occurrences, and with no active one or with `cancelsBelow`. A delayed one is not active. Only reads. */
  stranded(): readonly JobId[]
}

/** A ledger with asynchronous steps. */
export interface AsyncLedger extends LedgerBase {
  readonly kind: 'async'
  /** The scope of one `run`: all jobs of a call in one transaction, or each job in a separate guarded commit. */
  readonly unit: 'call' | 'job'
  /** With the unit `job`: maximum number of items of one job in a step. Default: all. */
  readonly itemsPerStep?: number
  /** With the unit `job`: number of concurrent steps. Default 1. */
  readonly concurrency?: number

  /** For `Storage.within`; only with the unit `call`. @throws JobistemerError `INVALID_TRANSACTION` */
  within?(transaction: unknown): AsyncLedgerWithin

  /**
   * Runs one step: reads the named records, asks the step for its further needs, lets it decide, and writes the result
   * in one atomic commit. If another commit may have changed the records read, it repeats the step.
   *
   * Order matters. A locking storage first locks the heads, in the order of the step. A later statement reads the
   * occurrences.
   *
   * @throws StepTooLarge, with nothing written, when a divisible step is too large for one commit
   */
  run(step: LedgerStep): Promise<void>

  /**
   * An optional fast path before the step: settles one occurrence without a read, under a condition that is equivalent
   * to the rules. Returns `null`, without a change, if the rules must decide.
   */
  quickSettle?(item: SettleItem, now: number): Promise<SettleAnswer | null>

  /**
   * Optional fast paths for whole calls, before the steps. They carry out ordinary items (slots that start, ends that
   * wake no occurrence) without a read, under conditions that are equivalent to the rules. Each item belongs to a
   * different job. They answer in the order of the items: `null`, without a change, for each item that the rules must
   * decide.
   */
  quickCreates?(
    items: readonly CreateItem[],
    request: { readonly now: number; readonly owner: Owner },
  ): Promise<readonly (CreateAnswer | null)[]>
  /** As {@link quickCreates}. */
  quickSettles?(items: readonly SettleItem[], now: number): Promise<readonly (SettleAnswer | null)[]>

  /** Pending occurrences that seem to be due, least `orderAt` first. Only a hint: the claiming step checks again. */
  due(query: DueQuery, page: { readonly limit: number; readonly cursor: string | null }): Promise<DuePage>
  /** As in {@link SyncLedger}. */
  nextDueAt(query: DueQuery): Promise<number | null>
  /** Running ones of exactly this owner that were asked to cancel, least `scheduledAt` first. */
  cancelRequested(owner: Owner): Promise<readonly OccurrenceRecord[]>
  /** Jobs with queued occurrences, and with no active one or with `cancelsBelow`, as a hint. A delayed one is not active. */
  stranded(): Promise<readonly JobId[]>
}

/** A page of occurrences that seem to be due. */
export interface DuePage {
  /** Least `orderAt` first, ties by id. */
  readonly occurrences: readonly OccurrenceAddress[]
  /** The cursor of the next page; `null` on the last page. */
  readonly cursor: string | null
  /** On the last page: the answer of `nextDueAt`, if the pages determine it. */
  readonly nextDueAt?: number | null
}

/** One step on one job, or on several that change together. */
export interface LedgerStep {
  /** In the order of their ids, each once: the order in which heads are locked. */
  readonly jobs: readonly JobId[]
  /** The occurrences that the items name, whether they exist or not. */
  readonly occurrences: readonly NamedOccurrence[]
  /** Reusable keys whose last occurrence the step needs. */
  readonly keys: readonly { readonly jobId: JobId; readonly keyId: OccurrenceId }[]
  /** Whether the step needs complete heads, with definition and timeline. */
  readonly wholeJobs: boolean
  /** Whether the step has several items: if they are too large for one commit, core repeats the step in halves. */
  readonly isDivisible: boolean
  /** The live occurrences that the step needs. A repeated step calls it again. */
  needs(found: StepHeads): readonly LiveNeed[]
  /** Decides, and returns the writes, without unchanged jobs. A repeated step calls it again. */
  decide(found: StepState): readonly JobWrite[]
  /**
   * For a ledger that commits a large step in parts: reports occurrences that it could not end because they were
   * started meanwhile. The ledger calls it before `run` resolves.
   */
  outlived(occurrences: ReadonlySet<OccurrenceId>): void
}

/** A divisible step that is too large for one commit. */
export class StepTooLarge extends Error {
  override readonly name = 'StepTooLarge'

  constructor() {
    super('The step is too large for one commit.')
  }
}

/** An occurrence that a step reads. */
export interface NamedOccurrence extends OccurrenceAddress {
  /** False if only the id counts, because the instant of a trigger or a replay may differ. */
  readonly isSlot: boolean
}

/** A job that an async ledger has read. Adapters may add members, such as a revision, and get them back with the write. */
export interface StoredJob {
  /** The head, as read or to write. */
  readonly head: LedgerHead
  /**
   * `queued` is always exact. A ledger that would have to search for the other counts may estimate them until the step
   * needs them, see {@link LiveNeeds.counts}. The sum of the estimates must not be too low; it may include ended and
   * delayed occurrences.
   */
  readonly counts: JobCounts
  /** The complete head, with `wholeJobs`. */
  readonly job: JobRecord | null
}

/** The first records read. */
export interface StepHeads {
  /** By id. Jobs that do not exist are left out. */
  readonly jobs: ReadonlyMap<JobId, StoredJob>
  /** By id: the named occurrences, and the last occurrence of each key. Occurrences that do not exist are left out. */
  readonly occurrences: ReadonlyMap<OccurrenceId, LedgerEntry>
}

/** How many of a job's live occurrences to read in each state, from the first on, in the order of `JobLedger.live`. */
export interface LiveNeed extends LiveNeeds {
  readonly jobId: JobId
}

/** As {@link LiveNeed}, without the job. */
export type LiveNeeds = { readonly [State in LiveState]: number } & {
  /**
   * Whether the decision needs the exact counts of pending and running occurrences. If not, counts that are too high
   * suffice.
   */
  readonly counts: boolean
  /**
   * Read pending and queued occurrences, each from the first on, until `count` of them are superseded under this
   * `cancelsBelow`. `null`: read none.
   */
  readonly superseded: { readonly cancelsBelow: number; readonly count: number } | null
}

/** All records read. */
export interface StepState extends StepHeads {
  /** By `keyId`: the last occurrence with this `namingKey`. Keys that name none are left out. */
  readonly keys: ReadonlyMap<OccurrenceId, OccurrenceId>
  /** By job: at least the requested occurrences, each state in the order of `JobLedger.live`. */
  readonly live: ReadonlyMap<JobId, { readonly [State in LiveState]: readonly LedgerEntry[] }>
}

/** The writes of a step on one job. */
export interface JobWrite {
  readonly jobId: JobId
  /** The head as read; `null` for a new job. */
  readonly before: StoredJob | null
  /** The head to write. `job` is present if the definition, the pause or the deletion changed. */
  readonly after: StoredJob
  /** New versions to store. */
  readonly versions: readonly JobVersionRecord[]
  /** Each at most once. */
  readonly occurrences: readonly OccurrenceWrite[]
}

/** The write of a step on one occurrence. The `namingKey` of a new one names it from now on. */
export interface OccurrenceWrite {
  /** The entry as read; `null` for a new occurrence. */
  readonly before: LedgerEntry | null
  /** The record to write. */
  readonly after: OccurrenceRecord
}
