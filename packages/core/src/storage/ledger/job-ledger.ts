import type { OccurrenceId } from '../../ids.ts'
import type { JobRecord, JobVersionRecord } from '../job-record.ts'
import { isFinal, type LiveState, type OccurrenceAddress, type OccurrenceRecord } from '../occurrence-record.ts'
import { isDelayed, type PauseEnd } from '../rules.ts'
import type { LiveCounts } from '../storage.ts'

/** The members of a job's head that a step on the job's occurrences needs. A complete {@link JobRecord} also has this type. */
export type LedgerHead = Pick<
  JobRecord,
  | 'id'
  | 'version'
  | 'handlerKey'
  | 'overlap'
  | 'watermark'
  | 'nextAt'
  | 'pruneFloor'
  | 'cancelsBelow'
  | 'starts'
  | 'deletedAt'
> & {
  /** The end of the job's pause. Steps read no other member of the pause. `null` if the head has no pause. */
  readonly paused: PauseEnd | null
}

/** The members of a {@link JobRecord} that {@link LedgerHead} leaves out or shortens. */
export type BesideHead = Pick<JobRecord, 'paused'> & Omit<JobRecord, keyof LedgerHead>

/** Makes the record of a job from the two parts in which an adapter stores the job. */
export function jobRecordOf(head: LedgerHead, beside: BesideHead): JobRecord {
  // A literal with all members needs much less memory than an object that a spread fills.
  const job: JobRecord = {
    id: head.id,
    name: beside.name,
    owner: beside.owner,
    version: head.version,
    fingerprint: beside.fingerprint,
    lineage: beside.lineage,
    definition: beside.definition,
    handlerKey: head.handlerKey,
    overlap: head.overlap,
    timeline: beside.timeline,
    watermark: head.watermark,
    nextAt: head.nextAt,
    pruneFloor: head.pruneFloor,
    paused: beside.paused,
    cancelsBelow: head.cancelsBelow,
    createdAt: beside.createdAt,
    changedAt: beside.changedAt,
    deletedAt: head.deletedAt,
  }
  return head.starts === undefined ? job : { ...job, starts: head.starts }
}

/** Counts of a job's live occurrences. */
export interface JobCounts extends LiveCounts {
  /** Number of delayed occurrences among the pending occurrences, see `isDelayed`. */
  readonly delayed: number
}

/** A mutable {@link JobCounts} that steps update. */
export type RunningCounts = { -readonly [Name in keyof JobCounts]: JobCounts[Name] }

/**
 * Counts a record of a job: with `by` 1 adds the record to the counts, with `by` -1 removes it. Records in a final state have
 * no counts.
 */
export function countRecord(counts: RunningCounts, record: OccurrenceRecord, by: 1 | -1): void {
  if (isFinal(record.state)) return
  counts[record.state as LiveState] += by
  if (isDelayed(record)) counts.delayed += by
}

/** An occurrence that a ledger has read. Adapters may add members, which core passes back with a change. */
export interface LedgerEntry {
  /** The record of the occurrence, as the ledger has read it. */
  readonly record: OccurrenceRecord
}

/**
 * One job within one step: its head, its occurrences, and the changes that the step makes. The step sees its own changes at
 * once. Other steps see all these changes together, once the step is stored. If the step fails, other steps see none of them.
 */
export interface JobLedger<Entry extends LedgerEntry = LedgerEntry> {
  /** The head of the job, with the changes of this step. */
  readonly head: LedgerHead
  /** Counts of the job's live occurrences, with the changes of this step. */
  readonly counts: JobCounts

  /**
   * Finds the occurrence with the id of the address. The ledger must compare only the ids: for a trigger or a replay, the
   * `scheduledAt` of the address may differ from that of the record. With `isSlot`, the address belongs to a slot or to an
   * entry of a recovery, whose id determines its `scheduledAt`.
   */
  find(address: OccurrenceAddress, isSlot?: boolean): Entry | undefined
  /**
   * Finds the last occurrence with this `namingKey`; `undefined` if no such occurrence exists, or if the occurrence was pruned.
   */
  findByKey(keyId: OccurrenceId): Entry | undefined
  /**
   * Returns the first `limit` live occurrences in a state. Pending and queued occurrences are sorted by `orderAt`, and running
   * occurrences by `scheduledAt`. Occurrences with equal values are sorted by id.
   */
  live(state: LiveState, limit: number): readonly Entry[]
  /**
   * Returns the first `limit` superseded slots in a state, in the order of {@link live}. Steps call `superseded` only while
   * `cancelsBelow` is set. Otherwise the job has no superseded slots.
   */
  superseded(state: 'pending' | 'queued', limit: number): readonly Entry[]

  /**
   * Adds an occurrence whose id the ledger does not hold. If the occurrence has a `namingKey`, the key names this occurrence
   * from now on.
   */
  create(record: OccurrenceRecord): void
  /** Replaces the record of a live occurrence. */
  replace(entry: Entry, record: OccurrenceRecord): void
  /** Sets the job's next instant, and moves the watermark forward, never back. */
  advance(watermark: number, nextAt: number | null): void
  /** Sets the job's `cancelsBelow`, or its recorded starts. Steps set the starts only for a job with a start rate. */
  change(part: Partial<Pick<LedgerHead, 'cancelsBelow' | 'starts'>>): void

  /** The complete head of the job. */
  readonly job: JobRecord
  /**
   * Replaces the whole head. `version` is a new version to store; `null` if the version in force stays. If the pause changes,
   * pending occurrences become claimable at other instants. A ledger that keeps an index of these instants must then update it.
   */
  save(job: JobRecord, version: JobVersionRecord | null): void
}
