import { readJobDocument, tasksOf } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { CreateAnswer, DueJobs } from '../../storage/storage.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import { BackgroundLoop } from '../loop/background-loop.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import type { ShardAssignment } from './shard-assignment.ts'

/** So many nodes look as often as slots may be overdue; the others are there in case these die together. */
const watchers = 2

/** How much less often the others look, and whoever finds that those that go first are slow and not dead. */
const patience = 10

/** Every so many looks, all that is overdue is looked for, and not what has become so of late. */
const looksPerFullLook = 60

/** A look goes back so much further than the one before: clocks of nodes differ, and so does what they have stored. */
const overlapMs = 10_000

/** The others wait so many times as long at most: by then a node that is dead is known to be. */
const mostOfOthers = 3

/** Of so many that are overdue, the oldest ones, it is seen whether those that are known to be slow have died since. */
const sample = 20

/** So many of those are gone through at most: a few may be of jobs that nobody here can run. */
const mostSamples = 5

/** What was taken on, and has no answer after so many looks, is not waited for: it may have been dropped. */
const longestWait = 5

/** Slots of a job that were left to the nodes that go first: it is looked whether they have launched them. */
interface Passed {
  /** The first of which that is not known, and when it is looked. */
  readonly slot: number
  readonly lookAt: number
  /** The last of them. */
  last: number
}

interface Look {
  readonly due: DueJobs
  readonly cursor: string | null
}

/**
 * Who has launched a slot that this node has asked for. One that was canceled ahead of its time nobody has; where one behind it
 * was launched, whoever did that lives. What has become of the job itself says nothing.
 */
export function launcherOf(answer: CreateAnswer, slot: number): Launcher {
  switch (answer.outcome) {
    case 'created':
      return 'this node'
    case 'off_schedule':
      return 'another'
    case 'exists':
      return answer.watermark <= slot && answer.state === 'canceled' && answer.token === 0 ? 'nobody' : 'another'
    default:
      return 'nobody'
  }
}

type Launcher = 'this node' | 'another' | 'nobody'

/**
 * Launches what the node that goes first has not launched: it is slow, held, or dead, and nobody knows yet. What is
 * overdue is asked for all jobs together, where the storage finds jobs by their next instant; elsewhere the heads of slots
 * that were passed are read.
 *
 * Where all nodes have more to do than they can, all slots are overdue, and nodes that ask for those of others as well
 * make all of them later still. So of the nodes that look, one asks for a slot a `standby` sooner than the next; a
 * look goes on when what it has found has been launched. When others had launched most of that, they live, and the next
 * look waits longer; so it does while this node is late with its own.
 */
export class OverdueTakeover {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #assignment: ShardAssignment
  readonly #standbyMs: number
  readonly #findsDueJobs: boolean
  readonly #loop: BackgroundLoop
  readonly #passed = new Map<RegisteredJob, Passed>()
  #lookedUpTo = Number.NEGATIVE_INFINITY
  /** Slots were left to others since this node was alone. */
  #hasLeft = false
  /** When others have come or gone last. A node that is alone by now looks on until a look has gone so far, if it has left slots. */
  #owedUpTo = Number.NEGATIVE_INFINITY
  /** The oldest slot that was left to others since the last look began. */
  #leftFrom = Number.POSITIVE_INFINITY
  #looks = 0
  /** Monotonic instant of the next look; infinite before one is to come. */
  #lookAt = Number.POSITIVE_INFINITY
  /** A look that is to go on where it ended, once what it has found so far has been launched; of slots that were passed, `null`. */
  #rest: Look | null = null
  #goesOn = false
  /** Jobs whose overdue slots this node has taken on since, and of which it has no answer. */
  readonly #taken = new Set<RegisteredJob>()
  #waited = 0
  /** Of what it took on with the present look, how much it has launched, and how much others had. */
  #launched = 0
  #wereLaunched = 0
  /** The last look came to its end, and nothing was overdue. */
  #hasFoundNothing = false
  /** Monotonic instant at which the answer to a slot came that this node goes first for, if that was overdue by then. */
  #lateAt = Number.NEGATIVE_INFINITY
  /** So many times as long it is waited until the next look. */
  #slowness = 1
  /** Nothing has told yet, since this node started or others have come or gone, whether others are dead or slow. */
  #isTrying = true

  constructor(
    engine: EngineContext,
    options: { registry: JobRegistry; assignment: ShardAssignment; standbyMs: number; findsDueJobs: boolean },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#assignment = options.assignment
    this.#standbyMs = options.standbyMs
    this.#findsDueJobs = options.findsDueJobs
    this.#loop = new BackgroundLoop(engine, { name: 'take over overdue slots', round: () => this.#lookAndGoOn() })
  }

  /** The first look follows soon. */
  start(): void {
    this.#goOn()
  }

  /** Begins no further look. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Others have come or gone. */
  membersChanged(): void {
    this.#slowness = 1
    this.#isTrying = true
    this.#owedUpTo = this.#engine.now()
    // Not later than it was to be: in a fleet whose nodes come and go there would be no look at all.
    if (this.#loop.underWay === null) this.#goOn({ atLatest: this.#lookAt })
  }

  /** A slot is left to nodes that go before this one, of which there are `rank`. Not where overdue slots are found. */
  passed(job: RegisteredJob, slot: number, rank: number): void {
    const passed = this.#passed.get(job)
    if (passed !== undefined) passed.last = slot
    else this.#passed.set(job, { slot, last: slot, lookAt: slot + this.#standbyMs * (rank < watchers ? 1 : patience) })
  }

  /**
   * A slot is left to nodes that go before this one, where overdue slots are found: one that looks before have passed by
   * then is found by the next.
   */
  left(slot: number): void {
    this.#hasLeft = true
    this.#leftFrom = Math.min(this.#leftFrom, slot)
  }

  /** What became of a slot that this node has asked for, or could not ask for. */
  answered(job: RegisteredJob, slot: number, launcher: Launcher): void {
    if (!this.#taken.delete(job)) {
      if (launcher !== 'nobody' && this.#assignment.rankOf(job) === 0) this.#noteLateness(this.#engine.now() - slot)
      return
    }
    if (launcher === 'this node') this.#launched++
    else if (launcher === 'another') this.#wereLaunched++
    if (this.#taken.size === 0 && this.#goesOn) this.#loop.run()
  }

  /** What this node goes first for says how quick it is itself. */
  #noteLateness(lateMs: number): void {
    const isLate = lateMs > this.#standbyMs
    this.#lateAt = isLate ? this.#engine.clock.monotonic() : Number.NEGATIVE_INFINITY
  }

  /** Its own slots are overdue as well: so those of others are, whether they live or not. */
  get isBehind(): boolean {
    return this.#engine.clock.monotonic() - this.#lateAt < this.#standbyMs * patience
  }

  async #lookAndGoOn(): Promise<void> {
    try {
      this.#engine.now()
      if (this.#engine.isHeldBack) return
      if (this.#taken.size > 0 && ++this.#waited <= longestWait) return
      const goesOn = this.#goesOn
      // The next look comes in its time.
      if (this.#learn() && goesOn) return
      if (this.#findsDueJobs) await this.#findOverdue()
      else await this.#lookAtPassed()
    } finally {
      this.#goOn()
    }
  }

  #goOn({ atLatest = Number.POSITIVE_INFINITY }: { readonly atLatest?: number } = {}): void {
    // Whoever is alone goes first everywhere.
    if (this.#assignment.isAlone && !this.#isOwed) {
      this.#hasLeft = false
      this.#lookAt = Number.POSITIVE_INFINITY
      return
    }
    const now = this.#engine.clock.monotonic()
    const looksOften = !this.#findsDueJobs || this.#assignment.watchRank < watchers
    const times = looksOften ? this.#slowness : patience * Math.min(this.#slowness, mostOfOthers)
    const waitMs = Math.min(this.#standbyMs * times, Math.max(0, atLatest - now))
    this.#lookAt = now + waitMs
    this.#loop.runIn(waitMs)
  }

  /** Whether there are slots that were left to others and of which it is not known whether they were launched. */
  get #isOwed(): boolean {
    return this.#findsDueJobs ? this.#hasLeft && this.#lookedUpTo < this.#owedUpTo : this.#passed.size > 0
  }

  /** What has become of all that was taken on says whether others are dead or slow. Answers whether they are slow. */
  #learn(): boolean {
    const areOthersSlow = !this.#assignment.isAlone && (this.#wereLaunched > this.#launched || this.isBehind)
    const most = this.#findsDueJobs ? patience : patience * mostOfOthers
    if (areOthersSlow) {
      this.#slowness = Math.min(2 * this.#slowness, most)
      this.#rest = null
    } else if (this.#launched > 0 || this.#hasFoundNothing) this.#slowness = 1
    if (this.#launched + this.#wereLaunched > 0 || this.#hasFoundNothing) this.#isTrying = false
    this.#hasFoundNothing = false
    this.#goesOn = false
    this.#taken.clear()
    this.#waited = 0
    this.#launched = 0
    this.#wereLaunched = 0
    return areOthersSlow
  }

  /** Whether it is only seen if somebody has died: otherwise all that is overdue is taken on. */
  get #isSampling(): boolean {
    return !this.#assignment.isAlone && (this.#isTrying || this.#slowness > 1 || this.isBehind)
  }

  get #mostAtOnce(): number {
    const { maxBatch } = this.#engine
    return this.#isSampling ? Math.min(sample, maxBatch) : maxBatch
  }

  async #findOverdue(): Promise<void> {
    const { due, cursor } = this.#rest ?? this.#newLook()
    const end = await this.#takeOnAll(due, cursor)
    this.#goesOn = end !== null
    this.#rest = end === null ? null : { due, cursor: end }
    if (end !== null) return
    this.#lookedUpTo = due.upTo
    this.#hasFoundNothing = this.#taken.size === 0
  }

  #newLook(): Look {
    // What other nodes have the time to be quicker with is not read.
    const fewestTurns = Math.min(Math.max(0, this.#assignment.watchRank - 1), watchers)
    const upTo = this.#engine.now() - (fewestTurns + 1) * this.#standbyMs
    const isFull = this.#looks++ % looksPerFullLook === 0
    const after = Math.min(this.#lookedUpTo - overlapMs, this.#leftFrom - 1)
    this.#leftFrom = Number.POSITIVE_INFINITY
    return { due: { upTo, ...(!isFull && { after }) }, cursor: null }
  }

  /** Takes on what is overdue, up to the end of the first page of which there is something to launch. */
  async #takeOnAll(due: DueJobs, from: string | null): Promise<string | null> {
    const { storage } = this.#engine
    const limit = this.#mostAtOnce
    const mostPages = this.#isSampling ? mostSamples : Number.POSITIVE_INFINITY
    let pages = 0
    let cursor = from
    do {
      const page = await storage.repeated('listJobs', (calls) => calls.listJobs({ due, limit, cursor }))
      await this.#registry.learnTypesOf(page.items)
      for (const record of page.items) this.#takeOnInTurn(record)
      cursor = page.cursor
      pages++
    } while (cursor !== null && this.#taken.size === 0 && pages < mostPages && !this.#loop.isStopped)
    return cursor
  }

  /** Nodes that stand by before this one have a `standby` each to be quicker. */
  #takeOnInTurn(record: JobRecord): void {
    const tasks = this.#registry.get(record.id)?.job.tasks ?? tasksOf(readJobDocument(record.definition), [])
    const job = { job: { id: record.id, tasks } }
    const isOwn = this.#assignment.rankOf(job) === 0
    const turns = isOwn ? 0 : Math.min(this.#assignment.standbyRankOf(job), watchers)
    if (turns > 0 && (record.nextAt ?? 0) > this.#engine.now() - (turns + 1) * this.#standbyMs) return
    this.#takeOn(record, isOwn)
  }

  async #lookAtPassed(): Promise<void> {
    const now = this.#engine.now()
    const due = [...this.#passed].filter(([, { lookAt }]) => lookAt <= now)
    const limit = this.#mostAtOnce
    let looked = 0
    while (looked < due.length && this.#taken.size === 0) {
      const group = due.slice(looked, looked + limit)
      looked += group.length
      const ids = group.map(([{ job }]) => job.id)
      const { jobs } = await this.#engine.storage.repeated('get', (calls) => calls.get({ jobs: ids }))
      for (const [index, [job, passed]] of group.entries()) this.#considerPassed(job, passed, jobs[index] ?? null)
    }
    this.#goesOn = looked < due.length
    this.#hasFoundNothing = due.length > 0 && this.#taken.size === 0
  }

  #considerPassed(job: RegisteredJob, { slot, last }: Passed, record: JobRecord | null): void {
    this.#passed.delete(job)
    if (!this.#registry.holds(job)) return
    const rank = this.#assignment.rankOf(job)
    // What has come meanwhile is looked at in its turn.
    if (last > slot) this.passed(job, last, rank)
    if (record !== null && record.nextAt !== null && record.nextAt <= slot) this.#takeOn(record, rank === 0)
  }

  #takeOn(record: JobRecord, isOwn: boolean): void {
    this.#moveOn(record)
    const job = this.#registry.get(record.id)
    // What is its own says nothing of the others, and what has no slot here has no answer.
    if (!isOwn && job?.isOverdue && (job.inFlight !== 'no' || job.heapIndex >= 0)) this.#taken.add(job)
  }

  #moveOn(record: JobRecord): void {
    if (record.deletedAt !== null) return
    const job = this.#registry.get(record.id)
    if (job === undefined) {
      const { loose } = this.#registry
      const adopted = loose.isPartial && loose.hasRoom ? this.#registry.adoptStored(record) : null
      if (adopted !== null) this.#registry.takeOn(adopted, record.watermark, record.nextAt)
      return
    }
    // Its slot is on its way: the answer says what there is to say, and to ask for it again would only cost.
    if (job.inFlight !== 'no') return
    if (record.version === job.version && record.createdAt === job.createdAt) {
      // It was on its way for so long that an answer has come since.
      if (this.#registry.isOldLook(job, record)) return
      this.#registry.takeOn(job, record.watermark, record.nextAt)
    } else this.#registry.reload(job)
  }
}
