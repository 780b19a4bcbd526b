import {
  codec1,
  type CreateAnswer,
  type CreateItem,
  type Owner,
  settledAlone,
  type SettleAnswer,
  type SettleItem,
  slotStarted,
} from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { lentKeyOf } from './occurrence-row.ts'
import type { Tables } from './tables.ts'

const { kindCode, policyCodes, printDetails, printRuns, stateCodes } = codec1

/**
 * Runs ordinary cases in one or two statements:
 * - a slot that starts;
 * - an attempt that continues;
 * - an end that wakes no occurrence.
 *
 * In all other cases, a method changes nothing and returns `null`. The caller then runs a step by core's rules. See
 * docs/decisions/0001-layout.md.
 */
export class QuickSteps {
  readonly #tables: Tables
  readonly #takeSlot: Database.Statement
  readonly #start: Database.Statement
  readonly #progress: Database.Statement
  readonly #finish: Database.Statement
  readonly #leave: Database.Statement

  constructor(tables: Tables) {
    this.#tables = tables
    const { database } = tables
    this.#takeSlot = database.prepare(`
      UPDATE {heads} SET watermark = next_at, next_at = ?
        WHERE row = ? AND next_at = ? AND version = ? AND flags = 0 AND watermark < next_at
          AND (paused_until IS NULL OR paused_until <= next_at)
          AND (excluded_until IS NULL OR excluded_until < next_at)
          AND (policy = ${policyCodes.allow} OR (
            pending = delayed AND cancels_below IS NULL AND NOT EXISTS (SELECT 1 FROM {running} WHERE job = {heads}.row)))`)
    this.#start = database.prepare(`
      INSERT INTO {running} VALUES (?, ?, ?, ${kindCode('slot', false)}, 1, 0, 0, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)`)
    // SQL condition: the row has the given token and owner, the given sequence is greater than the stored one, and
    // there is no cancel request.
    const holding = `job = ? AND scheduled_at = ? AND id = ? AND token = ? AND owner = coalesce(?, owner)
      AND sequence < ? AND cancel IS NULL`
    this.#progress = database.prepare(`UPDATE {running} SET sequence = ?, runs = ? WHERE ${holding}`)
    this.#finish = database.prepare(`
      INSERT INTO {history}
        SELECT NULL, job, scheduled_at, id, ?, kind, token, ?, rescues, owner, job_version, due_at - scheduled_at,
          created_at - scheduled_at, started_at - created_at, ? - created_at, timeout, ?, NULL, details, ?
        FROM {running} WHERE ${holding}`)
    this.#leave = database.prepare('DELETE FROM {running} WHERE job = ? AND scheduled_at = ? AND id = ?')
  }

  create(item: CreateItem, owner: Owner, now: number): CreateAnswer | null {
    if (item.kind !== 'slot' || item.runs === null || item.scheduledAt > now) return null
    const { jobId, scheduledAt, jobVersion } = item
    const job = this.#tables.jobs.rowOf(jobId)
    if (job === undefined) return null
    if (this.#takeSlot.run(item.nextAt, job, scheduledAt, jobVersion).changes !== 1) return null
    this.#start.run(
      job,
      scheduledAt,
      lentKeyOf(item.id),
      this.#tables.names.ownerRow(owner),
      jobVersion,
      scheduledAt,
      now,
      now,
      item.executionTimeoutMs,
      printDetails(item.details),
      printRuns(item.runs, scheduledAt),
    )
    this.#tables.due.noteMove(job)
    return slotStarted
  }

  settle(item: SettleItem, now: number): SettleAnswer | null {
    const { change, scheduledAt, token, sequence } = item
    if (change.kind === 'release' || item.upToSequence !== undefined) return null
    const { jobs, history, anyQueued } = this.#tables
    const job = jobs.rowOf(item.jobId)
    if (job === undefined) return null
    const key = lentKeyOf(item.id)
    const runs = printRuns(item.runs, scheduledAt)
    // An owner that has no row number in this file owns no occurrence, so -1 matches no row.
    const owner = item.owner == null ? null : (this.#tables.names.findOwner(item.owner) ?? -1)
    if (change.kind === 'progress') {
      const { changes } = this.#progress.run(sequence, runs, job, scheduledAt, key, token, owner, sequence)
      return changes === 1 ? settledAlone : null
    }
    // An end may have to wake a queued occurrence, which only core's rules can do.
    if (anyQueued && jobs.headAt(job)?.waiting.queued !== 0) return null
    const state = stateCodes[change.state]
    const { changes, lastInsertRowid } = this.#finish.run(
      state,
      sequence,
      now,
      change.reason,
      runs,
      job,
      scheduledAt,
      key,
      token,
      owner,
      sequence,
    )
    if (changes !== 1) return null
    this.#leave.run(job, scheduledAt, key)
    history.appended(Number(lastInsertRowid), change.state)
    return settledAlone
  }
}
