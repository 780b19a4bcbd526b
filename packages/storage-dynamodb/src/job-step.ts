import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceId } from '@jobistemer/core'
import { isFinal, type OccurrenceAddress, type OccurrenceRecord, woken } from '@jobistemer/core/storage'
import { firstLookAt, type StoredHead } from './job-item.ts'
import { bySchedule } from './live-list.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { planWrites } from './plan.ts'
import { checkStartable, putHead, type RecordWrite, sizeOfWrites, writesOf } from './record-writes.ts'
import { transactionBytes, transactionLimit } from './requests.ts'
import { addressOf, loadOccurrences, type Table } from './table.ts'

interface Entry {
  /** `null` for one that this step creates. */
  readonly before: StoredOccurrence | null
  record: OccurrenceRecord
  /** An address of the same id that leads to nothing any more, which this creation replaces. */
  readonly staleAddress: OccurrenceAddress | null
}

/**
 * One atomic step on a job: what it reads, what it changes, and the transaction that writes it if nothing of what it
 * was decided on has changed meanwhile.
 *
 * Every step that starts something, or changes something that waits, writes the job's head and is conditional on the
 * head's revision: so the steps of a job follow one another. What runs may end by a write to its own item alone, as
 * long as nobody is queued behind it: see {@link StoredOccurrence.marked}.
 */
export class JobStep {
  /** As the step leaves it. */
  head: StoredHead
  /** Further writes of the same transaction. */
  readonly writes: TransactWriteItem[] = []
  readonly #table: Table
  /** The revision that was read; 0 for a job that is new. */
  readonly #revision: number
  readonly #entries: Map<OccurrenceId, Entry> = new Map()
  #knowsActive = false

  constructor(table: Table, head: StoredHead, isNew = false) {
    this.#table = table
    this.head = head
    this.#revision = isNew ? 0 : head.revision
  }

  /** The pending and running occurrences of the job as this step leaves them, in the order of their time. */
  async active(): Promise<readonly OccurrenceRecord[]> {
    await this.#lookAtActive()
    return this.head.active.map(({ id }) => (this.#entries.get(id) as Entry).record).sort(bySchedule)
  }

  /** The queued occurrences of the job, in the order of waking. */
  async queued(): Promise<readonly OccurrenceRecord[]> {
    await this.#load(this.head.queued)
    return this.head.queued.flatMap(({ id }) => this.#entries.get(id)?.record ?? [])
  }

  /** Pending and queued ones, in the order of their time. */
  async waiting(): Promise<readonly OccurrenceRecord[]> {
    const pending = (await this.active()).filter(({ state }) => state === 'pending')
    return [...pending, ...(await this.queued())].sort(bySchedule)
  }

  /** Under the policy `allow` nobody needs to know what is active, but the list must not grow without end. */
  async tidy(): Promise<void> {
    if (this.head.active.length < this.head.lookAt) return
    await this.#lookAtActive()
    this.head = { ...this.head, lookAt: Math.max(firstLookAt, 2 * this.head.active.length) }
  }

  create(record: OccurrenceRecord, staleAddress: OccurrenceAddress | null = null): void {
    this.#entries.set(record.id, { before: null, record, staleAddress })
    this.#place(record)
  }

  /** Makes known what was read, so that {@link replace} can be conditional on it. */
  know(stored: StoredOccurrence): void {
    const { record } = stored
    if (!this.#entries.has(record.id)) this.#entries.set(record.id, { before: stored, record, staleAddress: null })
  }

  /** Replaces the record of an occurrence that this step has read. */
  replace(record: OccurrenceRecord): void {
    const entry = this.#entries.get(record.id)
    if (entry === undefined) throw new TypeError(`${record.id} was not read`)
    entry.record = record
    this.#place(record)
  }

  /** Wakes the next queued occurrence, when no active one is left. */
  async wakeNext(): Promise<OccurrenceAddress | null> {
    if (this.head.queued.length === 0 || (await this.active()).length > 0) return null
    for (const next of this.head.queued) {
      await this.#load([next])
      const entry = this.#entries.get(next.id)
      if (entry?.record.state !== 'queued') continue
      this.replace(woken(entry.record))
      return addressOf(next)
    }
    return null
  }

  /**
   * Writes the step, or, when it is too large for a transaction, its head and a plan for the rest. Answers `null`, and has
   * written nothing, when the step has to be decided anew. Otherwise answers the head; one with a plan is to be handed to
   * `carryOut`.
   */
  async commit(): Promise<StoredHead | null> {
    const table = this.#table
    const records = this.#recordWrites()
    const writes = [...(await writesOf(table, records)), ...this.writes]
    let head = { ...this.head, revision: this.#revision + 1 }
    let rest: readonly TransactWriteItem[] = writes
    if (writes.length >= transactionLimit || sizeOfWrites(writes) > transactionBytes) {
      const plan = planWrites(table, head.id, records)
      head = { ...head, planParts: plan.length }
      rest = [...plan, ...this.writes]
    }
    return (await table.requests.transact([putHead(table, head, this.#revision), ...rest])) ? head : null
  }

  /**
   * Writes the records alone, on the condition that the occurrences of the job may overlap and start: where they need not
   * know of each other, steps need not follow one another. Answers false like {@link commit}, and `'too_large'` for what
   * no transaction takes.
   */
  async commitBesideHead(): Promise<boolean | 'too_large'> {
    const table = this.#table
    const records = await writesOf(table, this.#recordWrites())
    if (records.length > 1 && sizeOfWrites(records) > transactionBytes) return 'too_large'
    return await table.requests.transact([checkStartable(table, this.head), ...records])
  }

  #recordWrites(): readonly RecordWrite[] {
    // Whoever runs has to know that its end concerns others.
    const marks = this.head.queued.length > 0 || this.head.deletedAt !== null
    const writes: RecordWrite[] = []
    for (const { before, record, staleAddress } of this.#entries.values()) {
      const marked = record.state === 'running' && (marks || before?.marked === true)
      if (before !== null && before.record === record && before.marked === marked) continue
      writes.push({ record, marked, revision: before?.revision ?? 0, staleAddress })
    }
    return writes
  }

  async #lookAtActive(): Promise<void> {
    if (this.#knowsActive) return
    await this.#load(this.head.active)
    // An entry that is not there was pruned, so it had ended.
    const active = this.head.active.filter(({ id }) => {
      const entry = this.#entries.get(id)
      return entry !== undefined && !isFinal(entry.record.state)
    })
    this.head = { ...this.head, active }
    this.#knowsActive = true
  }

  async #load(addresses: readonly OccurrenceAddress[]): Promise<void> {
    const unknown = addresses.filter(({ id }) => !this.#entries.has(id))
    for (const stored of await loadOccurrences(this.#table, unknown)) if (stored !== null) this.know(stored)
  }

  /** Enters the record where its state belongs. */
  #place(record: OccurrenceRecord): void {
    const others = (list: readonly OccurrenceAddress[]) => list.filter(({ id }) => id !== record.id)
    let active = others(this.head.active)
    let queued = others(this.head.queued)
    if (record.state === 'queued') queued = [...queued, addressOf(record)].sort(bySchedule)
    else if (!isFinal(record.state)) active = [...active, addressOf(record)]
    this.head = { ...this.head, active, queued }
  }
}
