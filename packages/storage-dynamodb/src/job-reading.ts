import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  compareAddresses,
  compareOrder,
  isDelayed,
  isSuperseded,
  placesOf,
  type JobRecord,
  type LedgerStep,
  type JobCounts,
  type LiveNeeds,
  type NamedOccurrence,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type OccurrenceState,
  type StepHeads,
  type StepState,
  type StoredJob,
} from '@jobistemer/core/storage'
import { type LiveLists, noLists, readHead, type StoredHead, type Waiting } from './job-item.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { loadJobs } from './query-jobs.ts'
import type { FoundItems } from './requests.ts'
import { addressIn, itemsPerStep, loadOccurrences, namedIn, occurrenceIn, readItems, type Table } from './table.ts'
import { queryQueue, readPages } from './live-lists.ts'

/** Maximum number of pages that a step removes. A page is an item that lists active occurrences beyond the head's list. */
const pagesRemoved = 4
/** Maximum number of pages in one read request. A page lists active occurrences beyond the head's list. */
const mostPagesAtOnce = 32

const activeStates: ReadonlySet<OccurrenceState | undefined> = new Set(['pending', 'running'])

/**
 * One list of active occurrences, after a step has checked which of them have ended. The list is in the job's head, or in a
 * page: an item for active occurrences that the head does not list.
 */
interface LookedList {
  /** The listed occurrences that are still pending or running. */
  readonly live: readonly OccurrenceAddress[]
  /** Length of the list, including occurrences that have ended. */
  readonly size: number
}

/** The consistent reads of a step on one job. Reads further records when the step needs them. */
export class JobReading {
  /** The stored head; `null` if the job does not exist. */
  readonly head: StoredHead | null
  readonly records: Map<OccurrenceId, StoredOccurrence> = new Map()
  /**
   * Maps the `keyId` of each reusable key that the step names to the key's last occurrence. A prune may have removed the record
   * of this occurrence.
   */
  readonly keys: Map<OccurrenceId, OccurrenceId> = new Map()
  /**
   * Maps the id of an occurrence to an address item whose occurrence record was removed. If the step stores a new record with
   * this id, the record's address replaces this address item.
   */
  readonly staleAddresses: Map<OccurrenceId, OccurrenceAddress> = new Map()
  readonly #table: Table
  readonly #id: JobId
  readonly #job: JobRecord | null
  /**
   * Ids of occurrences that the step names, and that the first reads did not find. The step regards these occurrences as
   * absent, even if a later read finds a record. An interrupted prune can leave such a record: it has removed the address of
   * the occurrence, but not the record.
   */
  readonly #absent: Set<OccurrenceId> = new Set()
  /** The lists of active occurrences after the check for ended ones; `null` before this check. */
  #looked: readonly LookedList[] | null = null
  /** Queued occurrences from outside of the head's list that this step has read, in the order of waking. */
  readonly #beyond: Waiting[] = []
  #isBeyondRead = false

  constructor(table: Table, id: JobId, head: StoredHead | null, job: JobRecord | null = null) {
    this.#table = table
    this.#id = id
    this.head = head
    this.#job = job
  }

  /** Reads the head of a job and the records that the step names, in one request. */
  static async begin(table: Table, id: JobId, step: LedgerStep): Promise<JobReading> {
    const { occurrences, wholeJobs } = step
    if (wholeJobs) {
      const [loaded = null] = await loadJobs(table, [id])
      return new JobReading(table, id, loaded?.head ?? null, loaded?.job ?? null)
    }
    const { keys } = table
    const keyIds = step.keys.map(({ keyId }) => keyId)
    const found = await readItems(table, [
      keys.head(id),
      ...occurrences.map((named) => keys.occurrence(named)),
      ...keyIds.map((keyId) => keys.reusableKey(keyId)),
    ])
    const item = found.get(keys.head(id))
    const reading = new JobReading(table, id, item === null ? null : readHead(item))
    for (const named of occurrences) reading.#know(occurrenceIn(found, keys, named))
    await reading.#follow(occurrences.filter(({ id, isSlot }) => !isSlot && !reading.records.has(id)))
    await reading.#followKeys(keyIds, found)
    return reading
  }

  get hasLooked(): boolean {
    return this.#looked !== null
  }

  /**
   * Whether the check for ended occurrences may stop: more than half of the entries of a checked page are live, or {@link
   * pagesRemoved} pages were checked. A page is an item for active occurrences that the head does not list.
   */
  get hasTidied(): boolean {
    const [, ...pages] = this.#looked ?? []
    return pages.length >= pagesRemoved || pages.some(({ live, size }) => 2 * live.length > size)
  }

  /**
   * If the step has checked which listed occurrences have ended: the active occurrences of all checked lists. Otherwise the
   * occurrences in the head's list, some of which may have ended.
   */
  get #active(): readonly OccurrenceAddress[] {
    return this.#looked?.flatMap(({ live }) => live) ?? this.head?.active ?? []
  }

  get counts(): JobCounts {
    const { active, pages, queued, queuedBeyond } = this.head ?? noLists
    let [pending, delayed] = [0, 0]
    for (const { record } of this.records.values()) {
      if (record.state === 'pending') pending++
      if (isDelayed(record)) delayed++
    }
    const looked = this.#looked?.reduce((sum, { live, size }) => sum + live.length - size, 0) ?? 0
    return {
      pending,
      delayed,
      queued: queued.length + queuedBeyond,
      running: active.length + pages.entries + looked - pending,
    }
  }

  /**
   * Returns the lists of active occurrences after the step. Pages are items for active occurrences that the head does not
   * list. If the step has checked which occurrences have ended:
   * - `listed` has the live occurrences of the head's list, and of the first checked pages, which the step removes.
   * - `pages` has the other pages.
   *
   * Without this check, the lists are unchanged.
   */
  leftOfLists(): Pick<LiveLists, 'pages'> & { readonly listed: readonly OccurrenceAddress[] } {
    const { active, pages } = this.head ?? noLists
    if (this.#looked === null) return { listed: active, pages }
    const [, ...removed] = this.#looked.slice(0, 1 + pagesRemoved)
    const entries = removed.reduce((left, { size }) => left - size, pages.entries)
    const listed = this.#looked.slice(0, 1 + pagesRemoved).flatMap(({ live }) => live)
    return { listed, pages: { ...pages, from: pages.from + removed.length, entries } }
  }

  heads(): StepHeads {
    const { head, counts, records } = this
    const stored: StoredJob | null = head === null ? null : { head, counts, job: this.#job }
    return { jobs: new Map(stored === null ? [] : [[this.#id, stored]]), occurrences: records }
  }

  state(): StepState {
    const inState = (state: OccurrenceState) => {
      const compare = state === 'running' ? compareAddresses : compareOrder
      return [...this.records.values()]
        .filter(({ record }) => record.state === state)
        .sort((left, right) => compare(left.record, right.record))
    }
    const live = { pending: inState('pending'), queued: inState('queued'), running: inState('running') }
    return { ...this.heads(), live: new Map([[this.#id, live]]), keys: this.keys }
  }

  async readLive(needs: LiveNeeds): Promise<void> {
    const { counts, pending, queued, running, superseded } = needs
    if (counts || pending > 0 || running > 0) await this.lookAtActive(() => this.#isDecided(needs))
    if (superseded !== null) {
      await this.#readQueued(superseded.count, (record) => isSuperseded(superseded, record))
    }
    await this.#readQueued(queued, ({ state }) => state === 'queued')
  }

  /**
   * Returns whether the lists that were read are enough for the step's decision. If so, the step need not read the other lists
   * of active occurrences.
   */
  #isDecided({ pending, running, superseded }: LiveNeeds): boolean {
    if (this.head === null || running > 0 || superseded !== null) return false
    const found = this.counts
    if (pending > 0) return found.pending > pending
    // The step may change the overlap policy of the job, so it must read all active occurrences.
    if (this.#job !== null) return false
    return this.#active.length - found.delayed >= placesOf(this.head.overlap) + itemsPerStep
  }

  /** Reads queued occurrences in the order of waking, until `isWanted` has accepted `count` of them. */
  async #readQueued(count: number, isWanted: (record: OccurrenceRecord) => boolean): Promise<void> {
    const { queued, queuedBeyond } = this.head ?? noLists
    const isFound = ({ id }: OccurrenceAddress) => {
      const record = this.records.get(id)?.record
      return record !== undefined && isWanted(record)
    }
    for (let start = 0, left = count; left > 0 && start < queued.length + queuedBeyond; ) {
      const beyond = await this.readQueuedBeyond(start + left - queued.length)
      const some = [...queued, ...beyond].slice(start, start + left)
      if (some.length === 0) return
      await this.#load(some)
      start += some.length
      left -= some.filter(isFound).length
    }
  }

  /** Returns at least the first `count` queued occurrences that the head does not list. */
  async readQueuedBeyond(count: number): Promise<readonly Waiting[]> {
    const isEmpty = (this.head?.queuedBeyond ?? 0) === 0
    while (!isEmpty && this.#beyond.length < count && !this.#isBeyondRead) {
      const last = this.#beyond.at(-1)
      const after = last === undefined ? null : this.#table.keys.queued(last).sk
      const { entries, isLast } = await queryQueue(this.#table, this.#id, after, count)
      this.#beyond.push(...entries)
      this.#isBeyondRead = isLast
    }
    return this.#beyond
  }

  /**
   * Checks which of the listed active occurrences have ended. Checks the head's list first, and then the items with further
   * active occurrences, from the oldest item on. Stops when `isEnough` returns true.
   */
  async lookAtActive(isEnough: () => boolean = () => false): Promise<void> {
    const { active, pages } = this.head ?? noLists
    this.#looked = []
    const seen = new Set<OccurrenceId>()
    await this.#look([active], seen)
    let from = pages.from
    for (let ahead = 1; from < pages.to && !isEnough(); ahead = Math.min(2 * ahead, mostPagesAtOnce)) {
      const to = Math.min(from + ahead, pages.to)
      await this.#look(await readPages(this.#table, this.#id, { from, to }), seen)
      from = to
    }
  }

  async #look(lists: readonly (readonly OccurrenceAddress[])[], seen: Set<OccurrenceId>): Promise<void> {
    const unknown = lists.flat().filter(({ id }) => !this.records.has(id))
    await this.#load(unknown)
    // A missing record means that the occurrence has ended and that a prune has removed its record. If another step has queued
    // a listed occurrence again, this occurrence is not active either.
    const isActive = ({ id }: OccurrenceAddress) => activeStates.has(this.records.get(id)?.record.state)
    const looked = lists.map((list) => ({
      live: list.filter((entry) => isActive(entry) && !seen.has(entry.id) && seen.add(entry.id)),
      size: list.length,
    }))
    this.#looked = [...(this.#looked ?? []), ...looked]
    // The read above may have found queued occurrences: another step has queued listed occurrences again. This step takes the
    // first queued occurrence in `records` for the first queued occurrence of the job. But the job may have an earlier queued
    // occurrence that was not read. So this code removes the queued occurrences that the read has found.
    for (const { id } of unknown) if (this.records.get(id)?.record.state === 'queued') this.records.delete(id)
  }

  /**
   * Returns whether any of these occurrences exists now, although the first read did not find it. A read of several items is no
   * snapshot. So the read may return a step's new head, but miss a record that the same step has written.
   */
  async haveAppeared(addresses: readonly OccurrenceAddress[]): Promise<boolean> {
    return (await loadOccurrences(this.#table, addresses)).some((stored) => stored !== null)
  }

  /**
   * Finds occurrences that the step names, but that are stored under another scheduled time. If a trigger is repeated at a
   * later time, the stored record keeps the time of the first trigger.
   */
  async #follow(missing: readonly NamedOccurrence[]): Promise<void> {
    if (missing.length === 0) return
    const { keys } = this.#table
    // The decision may depend on the number of active occurrences. In this case, the request below also reads the records of
    // the active occurrences in the head's list.
    const active = this.#isFullFor(missing.length) ? (this.head?.active ?? []) : []
    const found = await readItems(this.#table, [
      ...missing.map(({ id }) => keys.address(id)),
      ...active.map((address) => keys.occurrence(address)),
    ])
    const elsewhere = missing.flatMap(({ id }) => addressIn(found, keys, id) ?? [])
    await this.#load(elsewhere)
    for (const address of elsewhere) if (!this.records.has(address.id)) this.staleAddresses.set(address.id, address)
    for (const { id } of missing) if (!this.records.has(id)) this.#absent.add(id)
    for (const address of active) this.#know(occurrenceIn(found, keys, address))
  }

  async #followKeys(keyIds: readonly OccurrenceId[], found: FoundItems): Promise<void> {
    const named: OccurrenceAddress[] = []
    for (const keyId of keyIds) {
      const address = namedIn(found, this.#table.keys, keyId)
      if (address === null) continue
      this.keys.set(keyId, address.id)
      named.push(address)
    }
    await this.#load(named)
  }

  /**
   * Returns whether the job may have too few places for `more` further starts. The decision of the step then depends on the
   * number of active occurrences. Returns false if the job has a queued occurrence, because most decisions then do not
   * depend on this number.
   */
  #isFullFor(more: number): boolean {
    if (this.head === null) return false
    const { overlap, active, queued } = this.head
    return queued.length === 0 && active.length + more > placesOf(overlap)
  }

  async #load(addresses: readonly OccurrenceAddress[]): Promise<void> {
    const unknown = addresses.filter(({ id }) => !this.records.has(id) && !this.#absent.has(id))
    for (const stored of await loadOccurrences(this.#table, unknown)) this.#know(stored)
  }

  #know(stored: StoredOccurrence | null): void {
    if (stored === null || stored.record.jobId !== this.#id) return
    const { id } = stored.record
    if (!this.records.has(id) && !this.#absent.has(id)) this.records.set(id, stored)
  }
}
