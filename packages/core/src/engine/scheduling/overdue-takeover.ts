import { activeWatchers, fewSlots, mostWaits, reserveFactor } from './tuning.ts'
import { clockMarginMs, lookMs, upkeepMs } from '../../tuning.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { DueJobs } from '../../storage/storage.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { NodeParts } from '../execution/execution-pool.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { ShardAssignment } from '../cluster/shard-assignment.ts'

/** A scan for overdue slots, with the cursor at which it continues. */
export interface DueScan {
  readonly due: DueJobs
  readonly cursor: string | null
}

export interface OverdueTakeoverParts {
  readonly registry: JobRegistry
  readonly assignment: ShardAssignment
  readonly standbyMs: number
  readonly findsDueJobs: boolean
}

/** The parts of the engine that create due slots and missed slots. */
export interface LaunchParts extends NodeParts {
  readonly overdue: Pick<OverdueTakeover, 'answered' | 'passed'>
}

/**
 * Launches overdue slots that their assigned node has not launched. That node is slow or blocked, or it is dead and not yet
 * declared dead. This class finds the slots by scans:
 * - If the storage has a due index, it returns the overdue slots of all jobs in one query.
 * - Otherwise a scan reads the heads of the jobs whose slots this node has left to peers.
 *
 * Nodes scan in the order of their watch ranks. These are independent of the ranks by which nodes launch slots.
 *
 * In an overloaded fleet every slot is overdue, and scans would delay all slots further. Three rules limit the load:
 * - Watchers scan one after the other, one `standby` interval apart.
 * - A scan begins with the oldest overdue slots, and continues only after these slots are launched.
 * - If other nodes had already launched most of the slots that a scan found, the scan ends, and the next scan waits longer.
 */
export class OverdueTakeover {
  readonly #engine: EngineContext
  readonly #parts: OverdueTakeoverParts
  readonly #loop: BackgroundLoop
  /** For each job whose slots this node has left to peers: the first slot whose launch no check has found. */
  readonly #passed = new Map<RegisteredJob, number>()
  #scannedUpTo = Number.NEGATIVE_INFINITY
  /**
   * Whether this node has left slots to peers. Becomes false when this node is the only node and has scanned all slots that it
   * left.
   */
  #hasLeft = false
  /**
   * This node may have left slots up to this instant to peers, in epoch ms. So it still has to scan these slots, even if it
   * becomes the only node.
   */
  #owedUpTo = Number.NEGATIVE_INFINITY
  /** The oldest slot that this node has left to peers since the last scan began. */
  #leftFrom = Number.POSITIVE_INFINITY
  #scans = 0
  /** Monotonic instant of the next scan; infinite if no scan is planned. */
  #scanAt = Number.POSITIVE_INFINITY
  /** The scan in progress that the next round continues; `null`: the next round starts a new scan. */
  #rest: DueScan | null = null
  /** Jobs whose overdue slots the current scan has put on the agenda, and whose launches have no answer yet. */
  readonly #taken = new Set<RegisteredJob>()
  /** Whether the last scan stopped before its end. The scan continues when all slots that it found are launched. */
  #goesOn = false
  /** Number of rounds in which the scan has waited for these launches. */
  #waited = 0
  /** Number of slots of the last step that this node launched, minus the number of slots that peers had launched before. */
  #lead = 0
  /**
   * Monotonic instant until which this node counts as late: {@link reserveFactor} `standby` intervals after it launched a slot
   * of its own shards late. A launch in time ends this state at once.
   */
  #isBehindUntil = Number.NEGATIVE_INFINITY
  /**
   * Whether peers may be slow and not dead: they had launched most of the slots that the last scan found, or this node launches
   * its own slots late.
   */
  #arePeersSlow = false

  constructor(engine: EngineContext, parts: OverdueTakeoverParts) {
    this.#engine = engine
    this.#parts = parts
    this.#loop = new BackgroundLoop(engine, { name: 'take over overdue slots', round: () => this.#scanAndGoOn() })
  }

  /** Plans the first scan for overdue slots. */
  start(): void {
    this.#goOn()
  }

  /** Stops the scans for overdue slots. Resolves when the step in progress has ended. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /**
   * Called when other nodes have started, shut down or died. Forgets that peers were slow, and plans the next scan unless
   * a scan is in progress.
   */
  membersChanged(): void {
    this.#arePeersSlow = false
    this.#owedUpTo = this.#engine.now()
    // Changes of the set of nodes never postpone a planned scan. Otherwise frequent changes would prevent all scans.
    if (this.#loop.underWay === null) this.#goOn({ atLatest: this.#scanAt })
  }

  /**
   * Records that this node leaves a slot to the nodes that rank before this node. If the storage has a due index, the next scan
   * covers the slot. If not, this node notes each slot.
   */
  passed(job: RegisteredJob, slot: number): void {
    if (this.#parts.findsDueJobs) {
      this.#hasLeft = true
      this.#leftFrom = Math.min(this.#leftFrom, slot)
    } else if (!this.#passed.has(job)) this.#passed.set(job, slot)
  }

  /**
   * Records which node has launched a slot that this node has tried to launch. `lead`: 1 if this node has launched the slot, -1
   * if another node has, 0 if no node has. `lateMs`: how late this node has launched the slot; `null`: a recovery has decided on
   * the slot.
   */
  answered(job: RegisteredJob, lead: 1 | 0 | -1, lateMs: number | null = null): void {
    if (lead === 1 && lateMs !== null && !job.isOverdue) {
      const { standbyMs } = this.#parts
      const isLate = lateMs > standbyMs
      this.#isBehindUntil = isLate
        ? this.#engine.clock.monotonic() + reserveFactor * standbyMs
        : Number.NEGATIVE_INFINITY
    }
    // The slow peer will launch the next slot of its job, although that slot may be overdue too.
    if (lead === 1 && this.#arePeersSlow) job.isOverdue = false
    if (!this.#taken.delete(job)) return
    this.#lead += lead
    if (this.#taken.size === 0 && this.#goesOn) this.#loop.run()
  }

  async #scanAndGoOn(): Promise<void> {
    try {
      this.#engine.now()
      if (this.#engine.isHeldBack) return
      if (this.#taken.size > 0 && ++this.#waited <= mostWaits) return
      const goesOn = this.#goesOn
      this.#judge()
      if (goesOn && this.#arePeersSlow) {
        this.#rest = null
        return
      }
      // The first step of a scan is small: its slots show whether peers are dead or only slow.
      const limit = goesOn ? this.#engine.maxBatch : Math.min(fewSlots, this.#engine.maxBatch)
      this.#goesOn = await (this.#parts.findsDueJobs ? this.#findOverdue(limit) : this.#checkPassed(limit))
    } finally {
      this.#goOn()
    }
  }

  /** Judges by the last step of the scan whether peers are slow or dead. */
  #judge(): void {
    // If this node launches its own slots late, overdue slots of peers do not show that the peers are dead.
    const isBehind = this.#engine.clock.monotonic() < this.#isBehindUntil
    this.#arePeersSlow = !this.#parts.assignment.isAlone && (isBehind || this.#lead < 0)
    this.#goesOn = false
    this.#taken.clear()
    this.#waited = 0
    this.#lead = 0
  }

  #goOn({ atLatest = Number.POSITIVE_INFINITY }: { readonly atLatest?: number } = {}): void {
    // If this node is the only one, it has rank 0 in all shards. So it leaves no slot to peers and plans no scan.
    if (this.#parts.assignment.isAlone && !this.#isOwed) {
      this.#hasLeft = false
      this.#scanAt = Number.POSITIVE_INFINITY
      return
    }
    const now = this.#engine.clock.monotonic()
    const isActive = !this.#parts.findsDueJobs || this.#parts.assignment.watchRank < activeWatchers
    const times = isActive && !this.#arePeersSlow ? 1 : reserveFactor
    const waitMs = Math.min(this.#parts.standbyMs * times, Math.max(0, atLatest - now))
    this.#scanAt = now + waitMs
    this.#loop.runIn(waitMs)
  }

  /** Whether this node still has to check slots that it left to nodes that no longer live. */
  get #isOwed(): boolean {
    return this.#parts.findsDueJobs ? this.#hasLeft && this.#scannedUpTo < this.#owedUpTo : this.#passed.size > 0
  }

  /**
   * Reads page after page of jobs, and takes over their overdue slots. Stops after the first page that has an overdue slot.
   * Returns whether the scan goes on.
   */
  async #findOverdue(first: number): Promise<boolean> {
    const { maxBatch, storage } = this.#engine
    const scan = this.#rest ?? this.#newScan()
    const { due } = scan
    let { cursor } = scan
    // Each page is twice as long as the page before: thousands of jobs that no node can run may precede an overdue slot.
    for (let limit = first; ; limit = Math.min(2 * limit, maxBatch)) {
      const page = await storage.repeated('listJobs', (calls) => calls.listJobs({ due, limit, cursor }))
      for (const record of page.items) this.#takeOnInTurn(record)
      cursor = page.cursor
      if (cursor === null || this.#taken.size > 0 || this.#loop.isStopped) break
    }
    this.#rest = cursor === null ? null : { due, cursor }
    if (cursor === null) this.#scannedUpTo = due.upTo
    return cursor !== null
  }

  #newScan(): DueScan {
    const upTo = this.#engine.now() - this.#parts.standbyMs
    const isFull = this.#scans++ % (upkeepMs / lookMs) === 0
    // The scan also covers the last part of the previous scan, because clocks differ and writes may be late. This part must be
    // short. After a failover, a long part would contain slots that the storage has lost. The node that created these slots
    // must report the loss first.
    const after = Math.min(this.#scannedUpTo - 2 * clockMarginMs, this.#leftFrom - 1)
    this.#leftFrom = Number.POSITIVE_INFINITY
    return { due: { upTo, ...(!isFull && { after }) }, cursor: null }
  }

  /**
   * Takes over a slot, unless a node that scans before this node still has time for the slot. Each such node has one
   * `standby` interval.
   */
  #takeOnInTurn(record: JobRecord): void {
    const job = { job: record }
    const isOwn = this.#parts.assignment.rankOf(job) === 0
    const turns = isOwn ? 0 : Math.min(this.#parts.assignment.watchRankOf(job), activeWatchers)
    if (turns > 0 && (record.nextAt ?? 0) > this.#engine.now() - (turns + 1) * this.#parts.standbyMs) return
    this.#takeOn(record, isOwn)
  }

  async #checkPassed(limit: number): Promise<boolean> {
    const now = this.#engine.now()
    const { assignment, standbyMs } = this.#parts
    const waitMs = (job: RegisteredJob) => standbyMs * (assignment.rankOf(job) < activeWatchers ? 1 : reserveFactor)
    const due = [...this.#passed].filter(([job, slot]) => slot + waitMs(job) <= now)
    let checked = 0
    while (checked < due.length && this.#taken.size === 0) {
      const group = due.slice(checked, checked + Math.min(Math.max(limit, checked), this.#engine.maxBatch))
      checked += group.length
      for (const [job] of group) this.#passed.delete(job)
      const ids = group.map(([{ job }]) => job.id)
      const { jobs } = await this.#engine.storage.repeated('get', (calls) => calls.get({ jobs: ids }))
      for (const [index, [job, slot]] of group.entries()) this.#considerPassed(job, slot, jobs[index] ?? null)
    }
    return checked < due.length
  }

  /** Takes over the slot if no node has launched it. The head shows the first slot of the job that no node has launched. */
  #considerPassed(job: RegisteredJob, slot: number, record: JobRecord | null): void {
    if (record === null || record.nextAt === null || !this.#parts.registry.holds(job)) return
    if (record.nextAt <= slot) this.#takeOn(record, this.#parts.assignment.rankOf(job) === 0)
    // This node has passed over this later slot too, so a further check follows.
    else if (record.nextAt <= this.#engine.now()) this.passed(job, record.nextAt)
  }

  #takeOn(record: JobRecord, isOwn: boolean): void {
    this.#moveOn(record)
    const job = this.#parts.registry.get(record.id)
    // `#taken` holds only jobs whose next answer shows whether peers are slow. The answers for this node's own shards do not
    // show it. For another job, an answer follows only if this node is launching the job or has it on its agenda.
    if (!isOwn && job?.isOverdue && (job.inFlight !== 'no' || job.heapIndex >= 0)) this.#taken.add(job)
  }

  #moveOn(record: JobRecord): void {
    if (record.deletedAt !== null) return
    const job = this.#parts.registry.get(record.id)
    if (job === undefined) {
      const { cache } = this.#parts.registry
      const adopted = cache.isEvicting && cache.hasRoom ? this.#parts.registry.adoptStored(record) : null
      if (adopted !== null) this.#parts.registry.takeOn(adopted, record.watermark, record.nextAt)
      return
    }
    // This node is creating or recovering a slot of the job. The answer will carry the state of this record or a newer one, so
    // this record is not needed.
    if (job.inFlight !== 'no') return
    if (record.version === job.version && record.createdAt === job.createdAt) {
      // An answer that arrived during the read is newer than this record, so this node does not use the record.
      if (this.#parts.registry.isOldLook(job, record)) return
      this.#parts.registry.takeOn(job, record.watermark, record.nextAt)
    } else this.#parts.registry.reload(job)
  }
}
