import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  compareOrder,
  isDelayed,
  isFinal,
  isSuperseded,
  placesOf,
  type JobRecord,
  type LedgerStep,
  type JobCounts,
  type LiveNeeds,
  type NamedOccurrence,
  type OccurrenceAddress,
  type OccurrenceState,
  type StepHeads,
  type StepState,
  type StoredJob,
} from '@jobistemer/core/storage'
import { readHead, type StoredHead } from './job-item.ts'
import { bySchedule } from './live-list.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { loadJobs } from './query-jobs.ts'
import type { FoundItems } from './requests.ts'
import { namedIn } from './reusable-keys.ts'
import { addressIn, loadOccurrences, occurrenceIn, readItems, type Table } from './table.ts'

/** The consistent reads of a step on one job. It reads more records when the step needs them. */
export class JobReading {
  /** `null` when there is no such job. */
  readonly head: StoredHead | null
  readonly records: ReadonlyMap<OccurrenceId, StoredOccurrence>
  /** By `keyId`: the last occurrence of each reusable key that the step names. It may be gone. */
  readonly keys: Map<OccurrenceId, OccurrenceId> = new Map()
  /** Addresses whose record is gone: a new record of the id replaces them. */
  readonly staleAddresses: Map<OccurrenceId, OccurrenceAddress> = new Map()
  readonly #table: Table
  readonly #id: JobId
  readonly #job: JobRecord | null
  readonly #known: Map<OccurrenceId, StoredOccurrence> = new Map()
  /** Ids of the step without a record. A prune that died may have left a record of the id, without its address. */
  readonly #absent: Set<OccurrenceId> = new Set()
  #active: readonly OccurrenceAddress[] | null = null

  constructor(table: Table, id: JobId, head: StoredHead | null, job: JobRecord | null = null) {
    this.#table = table
    this.#id = id
    this.head = head
    this.#job = job
    this.records = this.#known
  }

  /** Reads the head and the records that the step names, in one request. */
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

  /** Pending and running occurrences. Before {@link lookAtActive}, some of them may have ended. */
  get active(): readonly OccurrenceAddress[] {
    return this.#active ?? this.head?.active ?? []
  }

  get hasLooked(): boolean {
    return this.#active !== null
  }

  get counts(): JobCounts {
    const { active } = this
    const found = active.flatMap(({ id }) => this.records.get(id)?.record ?? [])
    const pending = found.filter(({ state }) => state === 'pending').length
    return {
      pending,
      delayed: found.filter(isDelayed).length,
      queued: this.head?.queued.length ?? 0,
      running: active.length - pending,
    }
  }

  heads(): StepHeads {
    const { head, counts, records } = this
    const stored: StoredJob | null = head === null ? null : { head, counts, job: this.#job }
    return { jobs: new Map(stored === null ? [] : [[this.#id, stored]]), occurrences: records }
  }

  state(): StepState {
    const inState = (state: OccurrenceState) => {
      const compare = state === 'running' ? bySchedule : compareOrder
      return [...this.records.values()]
        .filter(({ record }) => record.state === state)
        .sort((left, right) => compare(left.record, right.record))
    }
    const live = { pending: inState('pending'), queued: inState('queued'), running: inState('running') }
    return { ...this.heads(), live: new Map([[this.#id, live]]), keys: this.keys }
  }

  async readLive({ counts, pending, queued, running, superseded }: LiveNeeds): Promise<void> {
    if (counts || pending > 0 || running > 0) await this.lookAtActive()
    if (superseded !== null) await this.#readSuperseded(superseded)
    // There are as many queued occurrences as the caller asks for, unless the table is damaged.
    for (let start = 0, left = queued; left > 0 && start < (this.head?.queued.length ?? 0); ) {
      const some = this.head?.queued.slice(start, start + left) ?? []
      await this.#load(some)
      start += some.length
      left -= some.filter(({ id }) => this.records.get(id)?.record.state === 'queued').length
    }
  }

  /** The queued ones as far as it takes; the active ones are all known. */
  async #readSuperseded({ cancelsBelow, count }: NonNullable<LiveNeeds['superseded']>): Promise<void> {
    const queued = this.head?.queued ?? []
    const isFound = ({ id }: OccurrenceAddress) => {
      const record = this.records.get(id)?.record
      return record !== undefined && isSuperseded({ cancelsBelow }, record)
    }
    for (let start = 0, left = count; left > 0 && start < queued.length; ) {
      const some = queued.slice(start, start + left)
      await this.#load(some)
      start += some.length
      left -= some.filter(isFound).length
    }
  }

  async lookAtActive(): Promise<void> {
    const listed = this.head?.active ?? []
    await this.#load(listed)
    // An entry that is not there was pruned, so it had ended.
    this.#active = listed.filter(({ id }) => !isFinal(this.records.get(id)?.record.state ?? 'completed'))
  }

  /**
   * Whether any of these occurrences exists now. Records that were read together are no snapshot: a missing record may be the
   * one whose creation led to the head that was read.
   */
  async haveAppeared(addresses: readonly OccurrenceAddress[]): Promise<boolean> {
    return (await loadOccurrences(this.#table, addresses)).some((stored) => stored !== null)
  }

  /** Finds what is not where it was looked for: a trigger that was repeated lies under the time of its first request. */
  async #follow(missing: readonly NamedOccurrence[]): Promise<void> {
    if (missing.length === 0) return
    const { keys } = this.#table
    // Where the overlap rule is about to look at these, one request does for both.
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

  /** Whether `more` starts may lack a place while none is queued. Then the number of active occurrences decides. */
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
    if (!this.records.has(id) && !this.#absent.has(id)) this.#known.set(id, stored)
  }
}
