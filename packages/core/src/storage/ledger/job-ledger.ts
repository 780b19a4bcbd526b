import type { OccurrenceId } from '../../ids.ts'
import type { JobRecord, JobVersionRecord } from '../job-record.ts'
import { isFinal, type LiveState, type OccurrenceAddress, type OccurrenceRecord } from '../occurrence-record.ts'
import { isDelayed, type PauseEnd } from '../rules.ts'
import type { LiveCounts } from '../storage.ts'

/** The part of a job's head that steps on its occurrences look at. A whole {@link JobRecord} will do. */
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
  /** Only its end matters. */
  readonly paused: PauseEnd | null
}

/** How many occurrences of a job live. */
export interface JobCounts extends LiveCounts {
  /** Those of the pending ones that `isDelayed` holds for. */
  readonly delayed: number
}

/** A {@link JobCounts} that is counted on, as steps change records. */
export type RunningCounts = { -readonly [Name in keyof JobCounts]: JobCounts[Name] }

/** Adds a record to the counts of its job, or takes it away from them. */
export function countRecord(counts: RunningCounts, record: OccurrenceRecord, by: 1 | -1): void {
  if (isFinal(record.state)) return
  counts[record.state as LiveState] += by
  if (isDelayed(record)) counts.delayed += by
}

/** An occurrence as a ledger found it. Adapters may hand out more than the record, and get it back with a change. */
export interface LedgerEntry {
  /** As it was found. */
  readonly record: OccurrenceRecord
}

/**
 * One job within one step: its head, its occurrences, and the changes that the step makes. What a step has changed, it
 * sees at once; others see all of it, or nothing, when the step is over.
 */
export interface JobLedger<Entry extends LedgerEntry = LedgerEntry> {
  /** With the changes of this step. */
  readonly head: LedgerHead
  /** How many of the job's occurrences live. */
  readonly counts: JobCounts

  /** The occurrence of this id. A trigger's or a replay's may lie at another instant than the address says. */
  find(address: OccurrenceAddress): Entry | undefined
  /** As {@link find}, for an id that fixes its instant: a slot, or what a recovery creates. */
  findSlot(address: OccurrenceAddress): Entry | undefined
  /** The last occurrence with this `namingKey`; `undefined` when there is none or it was pruned. */
  findByKey(keyId: OccurrenceId): Entry | undefined
  /** The first `limit` live ones in a state, equal ones by id: of pending and queued ones least `orderAt`, of running ones least `scheduledAt` first. */
  live(state: LiveState, limit: number): readonly Entry[]
  /** As {@link live}, of those that `isSuperseded` holds for. Asked only while `cancelsBelow` is set. */
  superseded(state: 'pending' | 'queued', limit: number): readonly Entry[]

  /** Adds an occurrence whose id the ledger does not hold. Its `namingKey`, if it has one, names it from now on. */
  create(record: OccurrenceRecord): void
  /** Puts a record in the place of a live one. */
  replace(entry: Entry, record: OccurrenceRecord): void
  /** Sets the next instant, and the watermark unless that would move it back. */
  advance(watermark: number, nextAt: number | null): void
  /** Sets `cancelsBelow` to `null`. */
  endCancel(): void
  /** Sets the starts. Called only of a job with a start rate. */
  noteStarts(starts: readonly number[]): void

  /** The whole head. */
  readonly job: JobRecord
  /**
   * Replaces the whole head. `version` is a new version to keep, `null` when the version in force stays. A pause that
   * begins, is replaced or is lifted decides from when on the job's pending occurrences are due, see `claimableFrom`.
   */
  save(job: JobRecord, version: JobVersionRecord | null): void
}
