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

/** How history is removed. */
export interface HistoryRemover {
  /**
   * Removes finished occurrences of a job and raises its prune floor to `floor`, both in one step, or the floor first.
   * Answers how many are gone, of which another call may have removed some at the same time; `null`, and changes nothing,
   * when the job is gone or its next instant lies at or before the floor.
   */
  removeHistory(removal: HistoryRemoval): MaybePromise<number | null>
  /** Drops a tombstone that was deleted before `before` and has no occurrences, and versions that nothing refers to. */
  forget(jobId: JobId, before: number): MaybePromise<void>
}

/**
 * What an adapter supplies; `storageFromLedger` makes a whole `Storage` of it.
 *
 * - `sync`: the data can be read and written within one synchronous transaction (memory, an embedded database).
 * - `async`: reading and writing take their time (a server, a key-value store). Core tells what a step needs, decides
 *   on what was read, and tells what to write.
 */
export type Ledger = SyncLedger | AsyncLedger

/** Further operations of a step in a user's transaction, see `Storage.within`. */
export interface CommitControl {
  /** As in `StorageWithin`. */
  forbidCommit(): MaybePromise<void>
  /** Tells the other connections what a step has changed, once the transaction is committed. */
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
   * True for a ledger that keeps and hands out the objects themselves: core then copies what goes in and what comes out
   * of its steps. False for one that serialises.
   */
  readonly keepsObjects: boolean

  /** As in `Storage`. What comes out is the caller's. Task runs of `latest` may be there: core takes them out. */
  get(request: GetRequest): MaybePromise<GetAnswer>
  /** As in `Storage`. What comes out is the caller's. */
  listJobs(query: JobQuery): MaybePromise<Page<JobRecord>>
  /** As in `Storage`. What comes out is the caller's. Task runs that were not asked for may be there: core takes them out. */
  listOccurrences(query: OccurrenceQuery): MaybePromise<Page<OccurrenceRecord>>

  /** What core's `prune` needs; or all of `prune`, for a ledger that removes history in a better way of its own. */
  readonly history: HistoryRemover | { prune(request: PruneRequest): MaybePromise<PruneAnswer> }

  /** As in `Storage`. What comes out is the caller's. */
  heartbeat(request: HeartbeatRequest): MaybePromise<HeartbeatAnswer>

  /** As in `Storage`. */
  serverTime?(): Promise<number>
  /** As in `Storage`. */
  subscribe?(listener: (wakeUp: WakeUp) => void): () => void
  /** Tells the other connections what a step has changed, once it is stored. Losing it costs latency only. */
  notify?(kinds: ReadonlySet<WakeUp['kind']>): void
  /** Called once. */
  close(): MaybePromise<void>
}

/** What `removeHistory` takes. */
export interface HistoryRemoval {
  readonly jobId: JobId
  /** Final ones, oldest first. */
  readonly occurrences: readonly OccurrenceAddress[]
  /** The keys that these occurrences had when they were created. Each is freed if it still names that occurrence. */
  readonly keys: readonly NamedKey[]
  /** The new prune floor, in epoch milliseconds. */
  readonly floor: number
}

/** A `details.keyId`, and an occurrence that was created with it. */
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

/** A ledger whose steps are synchronous. All that a step reads and writes happens within one call of `transaction`. */
export interface SyncLedger<Entry extends LedgerEntry = LedgerEntry> extends LedgerBase {
  readonly kind: 'sync'

  /** For `Storage.within`. @throws JobistemerError `INVALID_TRANSACTION` */
  within?(transaction: unknown): SyncLedgerWithin<Entry>

  /** Runs a step that may write, alone. It is stored when this resolves; nothing of it when it rejects. */
  transaction<T>(now: number, step: () => T): MaybePromise<T>
  /** Runs a step that only reads; all of it sees one state. */
  read<T>(step: () => T): MaybePromise<T>

  // What follows is called within a step only.

  /** A job, tombstones too. */
  job(id: JobId): JobLedger<Entry> | undefined
  /**
   * An optional fast path for ordinary items. Returns `null`, without a change, for any other item; core then runs the
   * step.
   */
  quickCreate?(item: CreateItem, owner: Owner): CreateAnswer | null
  /** As {@link quickCreate}. Handles an end only if it wakes no occurrence. */
  quickSettle?(item: SettleItem): SettleAnswer | null
  /** Stores a job that is not there. */
  createJob(job: JobRecord, version: JobVersionRecord): void
  /** Whether a pending occurrence of a job that is not paused is due. Only reads. */
  hasDue(query: DueQuery): boolean
  /** The first `limit` of them, least `orderAt` first, equal ones by id. */
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

/** A ledger whose steps wait for answers. */
export interface AsyncLedger extends LedgerBase {
  readonly kind: 'async'
  /** What one `run` covers: all jobs of a call in one transaction, or each job in a guarded commit of its own. */
  readonly unit: 'call' | 'job'
  /** With the unit `job`: how many items of one job go into one step at most. Default: all. */
  readonly itemsPerStep?: number
  /** With the unit `job`: how many steps run side by side. Default 1. */
  readonly concurrency?: number

  /** For `Storage.within`; only with the unit `call`. @throws JobistemerError `INVALID_TRANSACTION` */
  within?(transaction: unknown): AsyncLedgerWithin

  /**
   * Runs one step: reads what it names, asks it for what else it needs, lets it decide, and writes all of it in one
   * atomic commit. Where something that was read may have been changed by others before the commit, it begins anew.
   *
   * Order matters. A storage that locks locks the heads first, in the order in which the step names them; it reads
   * occurrences in a later statement than the one that got the lock.
   *
   * @throws StepTooLarge, with nothing written, when a divisible step is too large for one commit
   */
  run(step: LedgerStep): Promise<void>

  /**
   * A quick path that comes before the step: settles one occurrence without reading it first, under a condition of the
   * storage's own that means what the rules mean. Answers `null`, and has changed nothing, when the rules are to decide.
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

  /** Pending ones that seem to be due, as a hint: the step that claims them looks again. Least `orderAt` first. */
  due(query: DueQuery, page: { readonly limit: number; readonly cursor: string | null }): Promise<DuePage>
  /** As of a {@link SyncLedger}. */
  nextDueAt(query: DueQuery): Promise<number | null>
  /** Running ones of exactly this owner that were asked to cancel, least `scheduledAt` first. */
  cancelRequested(owner: Owner): Promise<readonly OccurrenceRecord[]>
  /** Jobs with queued occurrences, and with no active one or with `cancelsBelow`, as a hint. A delayed one is not active. */
  stranded(): Promise<readonly JobId[]>
}

/** A part of what seems to be due. */
export interface DuePage {
  /** Least `orderAt` first, equal ones by id. */
  readonly occurrences: readonly OccurrenceAddress[]
  /** For the next page; `null` on the last. */
  readonly cursor: string | null
  /** On the last page: what `nextDueAt` would answer, when reading the pages has shown it. */
  readonly nextDueAt?: number | null
}

/** One step on one job, or on several that are to change together. */
export interface LedgerStep {
  /** In the order of their ids, each once: the order in which heads are locked. */
  readonly jobs: readonly JobId[]
  /** What the items of the step name. Each may exist or not. */
  readonly occurrences: readonly NamedOccurrence[]
  /** Reusable keys whose last occurrence the step needs. */
  readonly keys: readonly { readonly jobId: JobId; readonly keyId: OccurrenceId }[]
  /** Whether whole heads are needed, with definition and timeline. */
  readonly wholeJobs: boolean
  /** Whether it has several items: when they are too large for one commit, they come again in halves. */
  readonly isDivisible: boolean
  /** Which of the live ones the step needs. Called again when the step begins anew. */
  needs(found: StepHeads): readonly LiveNeed[]
  /** Decides, and says what to write; jobs without a change are left out. Called again when the step begins anew. */
  decide(found: StepState): readonly JobWrite[]
  /**
   * For a ledger that commits a large step before it has written all of it: which occurrences it could not end after all,
   * since they had been started meanwhile. Called before `run` resolves.
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
  /** False when the id alone counts: a trigger's or a replay's may lie at another instant. */
  readonly isSlot: boolean
}

/** A job as an async ledger has read it. Adapters may hand out more, a revision say, and get it back with the write. */
export interface StoredJob {
  /** As it was read, or as it is to be written. */
  readonly head: LedgerHead
  /**
   * `queued` is exact from the first reading on. A ledger that has to look for the other two may guess them, until the
   * step needs them: see {@link LiveNeeds.counts}. Together its guesses must not be too low: some that have ended may be
   * among them, and delayed ones that it does not know as such.
   */
  readonly counts: JobCounts
  /** With `wholeJobs`. */
  readonly job: JobRecord | null
}

/** What was read first. */
export interface StepHeads {
  /** By id. Jobs that do not exist are left out. */
  readonly jobs: ReadonlyMap<JobId, StoredJob>
  /** By id: what the step names, and the last occurrence of each of its keys. Occurrences that do not exist are left out. */
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

/** All that was read. */
export interface StepState extends StepHeads {
  /** By `keyId`: the last occurrence with this `namingKey`. Keys that name none are left out. */
  readonly keys: ReadonlyMap<OccurrenceId, OccurrenceId>
  /** By job: at least what was asked for, each state in the order that `JobLedger.live` has. */
  readonly live: ReadonlyMap<JobId, { readonly [State in LiveState]: readonly LedgerEntry[] }>
}

/** What a step changes of one job. */
export interface JobWrite {
  readonly jobId: JobId
  /** As it was read; `null` for a job that is new. */
  readonly before: StoredJob | null
  /** As it is now. `job` is there when the definition, the pause or the deletion changed. */
  readonly after: StoredJob
  /** New versions to keep. */
  readonly versions: readonly JobVersionRecord[]
  /** Each at most once. */
  readonly occurrences: readonly OccurrenceWrite[]
}

/** What a step changes of one occurrence. The `namingKey` of one that is new names it from now on. */
export interface OccurrenceWrite {
  /** As it was read; `null` for one that is new. */
  readonly before: LedgerEntry | null
  /** As it is now. */
  readonly after: OccurrenceRecord
}
