import {
  finished,
  handedBack,
  judgeSettle,
  type OccurrenceAddress,
  type SettleAnswer,
  type SettleChange,
  type SettleItem,
  type SettleRequest,
  withRuns,
} from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { Ledger, StoredOccurrence } from './ledger.ts'
import { keyOf } from './occurrence-key.ts'
import { stateCodes } from './record-codes.ts'
import { printRuns } from './runs-text.ts'

const accepted: SettleAnswer = Object.freeze({ outcome: 'ok', woken: null, cancelRequested: null })

/** Takes in what owners say of their running occurrences. */
export class OccurrenceSettler {
  readonly #ledger: Ledger
  readonly #progress: Database.Statement
  readonly #finish: Database.Statement
  readonly #leave: Database.Statement

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    // The ordinary case: the token is live, the sequence a new one, and nobody asked for cancellation. These change
    // nothing otherwise; then the rules are gone through one by one.
    const holding = 'job = ? AND scheduled_at = ? AND id = ? AND token = ? AND sequence < ? AND cancel IS NULL'
    this.#progress = ledger.database.prepare(`UPDATE running SET sequence = ?, runs = ? WHERE ${holding}`)
    this.#finish = ledger.database.prepare(`
      INSERT INTO history
        SELECT NULL, job, scheduled_at, id, ?, kind, token, ?, owner, job_version, due_at - scheduled_at,
          created_at - scheduled_at, started_at - created_at, ? - created_at, timeout, ?, NULL, details, ?
        FROM running WHERE ${holding}`)
    this.#leave = ledger.database.prepare('DELETE FROM running WHERE job = ? AND scheduled_at = ? AND id = ?')
  }

  settle({ items, now }: SettleRequest): readonly SettleAnswer[] {
    return items.map((item) => this.#settleHeld(item, now) ?? this.#settleOne(item, now))
  }

  #settleHeld(item: SettleItem, now: number): SettleAnswer | null {
    const { change, scheduledAt, token, sequence } = item
    if (change.kind === 'release') return null
    const { jobs, history } = this.#ledger
    const job = jobs.rowOf(item.jobId)
    if (job === undefined) return null
    const key = keyOf(item.id)
    const runs = printRuns(item.runs, scheduledAt)
    if (change.kind === 'progress') {
      const { changes } = this.#progress.run(sequence, runs, job, scheduledAt, key, token, sequence)
      return changes === 1 ? accepted : null
    }
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
      sequence,
    )
    if (changes !== 1) return null
    this.#leave.run(job, scheduledAt, key)
    history.extendIndexes(Number(lastInsertRowid))
    const woken = this.#ledger.wakeNext(job, now)
    return woken === null ? accepted : { outcome: 'ok', woken, cancelRequested: null }
  }

  #settleOne(item: SettleItem, now: number): SettleAnswer {
    const stored = this.#ledger.find(item)
    if (stored === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
    const { record } = stored
    const verdict = judgeSettle(record, item)
    if (verdict === 'lost') return { outcome: 'lost', state: record.state, token: record.token }
    const woken = verdict === 'apply' ? this.#apply(stored, item, now) : null
    return { outcome: 'ok', woken, cancelRequested: record.cancelRequest?.reason ?? null }
  }

  #apply(stored: StoredOccurrence, item: SettleItem, now: number): OccurrenceAddress | null {
    const { runs, sequence } = item
    const change: SettleChange = item.change
    switch (change.kind) {
      case 'progress':
        this.#ledger.replace(stored, withRuns(stored.record, runs, sequence), now)
        return null
      case 'finish': {
        const { state, reason } = change
        this.#ledger.replace(stored, finished(stored.record, { state, reason, runs, sequence }, now), now)
        return this.#ledger.wakeNext(stored.job, now)
      }
      case 'release': {
        const { dueAt, reason } = change
        const jobDeleted = this.#ledger.jobs.headAt(stored.job)?.deleted === true
        const record = handedBack(withRuns(stored.record, runs, sequence), { dueAt, reason, jobDeleted }, now)
        this.#ledger.replace(stored, record, now)
        return null
      }
    }
  }
}
