import { toErrorRecord } from '../../error-record.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { Page, ReapAnswer, ReapItem } from '../../storage/storage.ts'
import type { Capacity } from '../capacity/capacity.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import { BackgroundLoop } from '../loop/background-loop.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { ItemRefused } from '../loop/bisecting-calls.ts'
import type { ExecutionPool } from '../run/execution-pool.ts'
import {
  abandoned,
  type Beginning,
  definitionOf,
  hasEndedTasks,
  hasUnfinishedAttempt,
  runsOfLeft,
  withLostAttempts,
} from '../run/task-run-records.ts'
import type { Heartbeats } from './heartbeats.ts'
import { eventLoopBlocked } from './event-loop-blocked.ts'
import { lives } from './process/process-mark.ts'
import { ClockSteps } from '../time/clock-steps.ts'

/** Beyond its deadline an owner has so long to settle an occurrence itself: twice what a handler has to stop. */
const graceMs = 10_000

/**
 * What an earlier life of this node had sent may take effect after the look for it: it is looked again so soon, and then
 * ever less often, until that life would be dead for everybody.
 */
const firstLookAgainMs = 250

/** A sweep that comes so much later than it was due was held up: owners on this machine may have been, too. */
const stallMs = 5000

/**
 * Sweeps from one search for owners without a node record to the next, if nothing indicates that records are missing: one
 * hour with the default `reapInterval`. The search reads every running occurrence.
 */
const sweepsPerOwnerSearch = 240

/**
 * Takes occurrences from owners that are gone: when their node is dead, at their deadline, or at once when the owner was
 * an earlier life of this node.
 */
export class Reaper {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #capacity: Capacity
  readonly #pool: ExecutionPool
  readonly #intervalMs: number
  readonly #heartbeats: Heartbeats
  readonly #loop: BackgroundLoop
  readonly #takingOver: BackgroundLoop
  readonly #deadAfterMs: number
  readonly #lookingAgain: BackgroundLoop
  /** Earlier lives of this node, by incarnation. */
  readonly #earlierLives = new Set<string>()
  #areEarlierLivesForgotten = false
  /** Monotonic instant from which on nothing of them is expected any more. */
  #looksAgainUntil = 0
  #lookAgainInMs = firstLookAgainMs
  readonly #steps = new ClockSteps()
  #hasTakenOver = false
  /** Dead nodes from which this node has taken runs, and since when they are dead. */
  readonly #deaths = new Map<string, { readonly record: NodeRecord; readonly since: number }>()
  #sweepsToOwnerSearch = sweepsPerOwnerSearch
  /** Monotonic instant at which the next sweep is due. */
  #dueAt = Number.POSITIVE_INFINITY

  constructor(
    engine: EngineContext,
    options: {
      registry: JobRegistry
      capacity: Capacity
      pool: ExecutionPool
      heartbeats: Heartbeats
      intervalMs: number
      deadAfterMs: number
    },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#capacity = options.capacity
    this.#pool = options.pool
    this.#intervalMs = options.intervalMs
    this.#heartbeats = options.heartbeats
    this.#loop = new BackgroundLoop(engine, { name: 'reap', round: (byAlarm) => this.#sweep(byAlarm) })
    this.#takingOver = new BackgroundLoop(engine, { name: 'take over', round: () => this.#takeOver() })
    this.#deadAfterMs = options.deadAfterMs
    this.#lookingAgain = new BackgroundLoop(engine, { name: 'take over own', round: () => this.#lookAgainAndGoOn() })
    this.#heartbeats.changed.listen(() => {
      const { peers } = this.#heartbeats
      if (peers.dead().length + peers.ended().length + this.#deaths.size > 0) this.#takingOver.run()
    })
  }

  /** Begins no further sweep. */
  async stop(): Promise<void> {
    await Promise.all([this.#loop.stop(), this.#takingOver.stop(), this.#lookingAgain.stop()])
  }

  /** The first sweep follows after an interval. */
  start(): void {
    this.#steps.look(this.#engine)
    this.#setAlarm()
  }

  /** Takes over what others have left, as far as that is known now; resolves when it is done. */
  async sweepOnce(): Promise<void> {
    this.#loop.run()
    do {
      this.#takingOver.run()
      await Promise.all([this.#loop.underWay, this.#takingOver.underWay])
    } while (this.#hasTakenOver && !this.#loop.isStopped)
  }

  async #sweep(byAlarm: boolean): Promise<void> {
    const stalled = this.#engine.clock.monotonic() - this.#dueAt > stallMs
    this.#steps.look(this.#engine)
    try {
      // After a stall, whoever is overdue gets the time to settle it that the stall took.
      if (!stalled && !this.#engine.isTimeInDoubt) await this.#reapOverdue()
      // A call of `runDue` sweeps without an alarm, and is too short to see that an owner is silent.
      if (byAlarm) await this.#findOwners()
    } finally {
      this.#setAlarm()
    }
  }

  #setAlarm(): void {
    const waitMs = this.#engine.untilNextLook(this.#intervalMs)
    this.#dueAt = this.#engine.clock.monotonic() + waitMs
    this.#loop.runIn(waitMs)
  }

  /** Settles what an earlier life of this node left running: that owner will not come back. */
  async reapEarlierLives(): Promise<void> {
    const { incarnation: own } = this.#engine.owner
    const isEarlier = (incarnation: string): boolean => {
      if (incarnation === own) return false
      this.#earlierLives.add(incarnation)
      return true
    }
    for (const { incarnation } of this.#heartbeats.earlierLives) isEarlier(incarnation)
    const reap = () => this.#reapOfOwnName(isEarlier)
    // What the second look still finds has not gone through.
    if ((await reap()) === 0 || (await reap()) === 0) this.#forgetEarlierLives()
    if (this.#earlierLives.size === 0) return
    this.#looksAgainUntil = this.#engine.clock.monotonic() + this.#deadAfterMs
    this.#lookingAgain.runIn(this.#lookAgainInMs)
  }

  async #lookAgainAndGoOn(): Promise<void> {
    try {
      this.#engine.now()
      if (this.#engine.isHeldBack) return
      // Another node of this name is no earlier life, and may be about to say that it lives.
      const found = await this.#reapOfOwnName((incarnation) => this.#earlierLives.has(incarnation))
      if (found === 0) this.#forgetEarlierLives()
      this.#lookAgainInMs *= 2
    } finally {
      if (this.#engine.clock.monotonic() < this.#looksAgainUntil) this.#lookingAgain.runIn(this.#lookAgainInMs)
    }
  }

  async #reapOfOwnName(wanted: (incarnation: string) => boolean): Promise<number> {
    const { node } = this.#engine.owner
    const isWanted = ({ owner }: OccurrenceRecord) => owner !== null && wanted(owner.incarnation)
    return (await this.#reapAll({ node }, 'owner_restarted', isWanted)).found
  }

  #forgetEarlierLives(): void {
    if (!this.#areEarlierLivesForgotten) this.#heartbeats.forgetEarlierLives()
    this.#areEarlierLivesForgotten = true
  }

  async #reapOverdue(): Promise<void> {
    const deadlineBefore = this.#engine.now() - graceMs
    await this.#reapAll({ deadlineBefore }, 'execution_timeout', (record) => {
      // Of a clock that was set forward, what began before knows nothing.
      if ((record.deadlineAt ?? 0) + this.#steps.forwardSince(record.startedAt ?? 0) > deadlineBefore) return false
      const own = this.#pool.get(record.id)
      return own === undefined || own.occurrence.token !== record.token
    })
  }

  /**
   * Reads the owners of all running occurrences, because the storage may have lost node records. An owner without a record
   * counts as silent from now on, and as dead after `deadAfter`.
   */
  async #findOwners(): Promise<void> {
    const { peers } = this.#heartbeats
    this.#sweepsToOwnerSearch--
    if (!peers.takeGap() && this.#sweepsToOwnerSearch > 0) return
    this.#sweepsToOwnerSearch = sweepsPerOwnerSearch
    await this.#eachRunning({ runs: false }, ({ items }) => {
      for (const { owner } of items) if (owner !== null) peers.expect(owner)
    })
  }

  /** Takes over what nodes ran that are dead or have ended, and forgets each when nothing is left. */
  async #takeOver(): Promise<void> {
    const { peers } = this.#heartbeats
    this.#hasTakenOver = false
    const dead = new Set(peers.dead())
    const gone = () => [...peers.dead(), ...peers.ended(), ...peers.over(this.#engine.now())]
    for (const record of new Set(gone())) {
      // Its heartbeats may have gone on while this node took over the runs of another one.
      const isGone = () => gone().includes(record)
      if (!isGone()) continue
      // What is taken over is handed on by this node's time.
      this.#engine.now()
      if (this.#engine.isHeldBack || this.#loop.isStopped) return
      const { node, incarnation } = record
      const { found, reaped } = await this.#reapAll(
        { node },
        'node_lost',
        ({ owner }) => owner?.incarnation === incarnation && isGone(),
      )
      if (reaped > 0) {
        this.#engine.logger.warn({ node, incarnation, runs: reaped }, 'released runs of a node that is gone')
      }
      // Of a node that this one knows by its runs alone, there is no record to state the death in.
      const isDeath = dead.has(record) && Number.isFinite(record.counter)
      // What was taken over now may not have gone through: it is looked again at the next heartbeat.
      const since = this.#heartbeats.deadSince(record)
      if (isDeath && reaped > 0) this.#deaths.set(incarnation, { record, since })
      if (found > 0) this.#hasTakenOver = true
      else if (!isDeath) this.#heartbeats.forget(record)
      else if (!this.#deaths.has(incarnation)) await this.#heartbeats.stateDeath(record, { since, takenOverBy: null })
    }
    await this.#stateDeaths()
  }

  /** Nothing is left of them, or another node has stated their death already and did not know who took their runs. */
  async #stateDeaths(): Promise<void> {
    const { peers } = this.#heartbeats
    if (this.#hasTakenOver) return
    for (const [incarnation, { record, since }] of this.#deaths) {
      this.#deaths.delete(incarnation)
      if (peers.living().some((living) => living.incarnation === incarnation)) continue
      await this.#heartbeats.stateDeath(record, { since, takenOverBy: this.#engine.owner.node })
    }
  }

  /** Answers how many there were, and how many of them this node took from their owners. */
  async #reapAll(
    filter: { readonly node?: string; readonly deadlineBefore?: number },
    reason: string,
    wanted: (record: OccurrenceRecord) => boolean,
  ): Promise<{ readonly found: number; readonly reaped: number }> {
    let found = 0
    let reaped = 0
    await this.#eachRunning({ runs: true, ...filter }, async ({ items }) => {
      const records = items.filter(wanted)
      found += records.length
      reaped += await this.#reap(records, reason)
    })
    return { found, reaped }
  }

  async #eachRunning(
    filter: { readonly runs: boolean; readonly node?: string; readonly deadlineBefore?: number },
    read: (page: Page<OccurrenceRecord>) => Promise<void> | void,
  ): Promise<void> {
    let cursor: string | null = null
    do {
      const page: Page<OccurrenceRecord> = await this.#engine.storage.repeated('listOccurrences', (calls) =>
        calls.listOccurrences({ kind: 'live', state: 'running', limit: this.#engine.maxBatch, cursor, ...filter }),
      )
      await read(page)
      cursor = page.cursor
    } while (cursor !== null && !this.#loop.isStopped)
  }

  /** Answers how many it took from their owners. */
  async #reap(records: readonly OccurrenceRecord[], reason: string): Promise<number> {
    if (records.length === 0) return 0
    let reaped = 0
    const now = this.#engine.now()
    const items: ReapItem[] = []
    const told: { readonly jobName: string; readonly lostTasks: readonly string[] }[] = []
    for (const record of records) {
      const { id, jobId, scheduledAt, token, owner, sequence } = record
      const { name, definition } = await this.#jobOf(record)
      const settings = definition?.settings
      const left = definition === null ? record.runs : runsOfLeft(record, definition)
      // Its owner had only to say that it is over: no handler is called again.
      const isDone = definition !== null && hasEndedTasks(record, left, definition)
      const isBlocking = reason === 'node_lost' && !isDone && this.#hasBlockedBefore(record)
      const mayRescue = settings !== undefined && record.rescues < Math.max(settings.maxRescues, isDone ? 1 : 0)
      const retry = mayRescue && !isBlocking && (settings.onInterrupted === 'retry' || isDone)
      const cause = isBlocking ? 'event_loop_blocked' : reason
      const loss = {
        ...(reason === 'node_lost' && record.owner !== null && { lostBy: record.owner.incarnation }),
        ...(isBlocking && { error: toErrorRecord(eventLoopBlocked(name)) }),
      }
      // Of an occurrence that has ended, no task is left running.
      const runs = left.map((run) =>
        retry ? withLostAttempts(run, now, loss) : abandoned(run, { state: 'failed', reason: cause, now, loss }),
      )
      // What fails here is the last that is heard of it.
      if (!retry) await this.#pool.relay?.handOn(record)
      const action = retry ? 'retry' : 'fail'
      items.push({ id, jobId, scheduledAt, token, owner, sequence, runs, action, reason: cause })
      told.push({ jobName: name, lostTasks: left.filter(hasUnfinishedAttempt).map(({ task }) => task) })
    }
    const answered = (index: number, answer: ReapAnswer | ItemRefused) => {
      const item = items[index] as ReapItem
      if (answer instanceof ItemRefused) this.#engine.fail(`reap ${item.id}`, answer.error)
      else this.#answered(told[index] as (typeof told)[number], item, answer)
      if (!(answer instanceof ItemRefused) && answer.outcome === 'reaped') reaped++
    }
    const answers = await this.#engine.bisecting.send(
      'reap',
      items,
      (calls, some) => calls.reap({ now, items: some }),
      answered,
    )
    for (const [index, answer] of answers.entries()) if (answer !== undefined) answered(index, answer)
    return reaped
  }

  /**
   * Whether an earlier owner of a run counted as dead, lives, and says that the job had blocked its event loop. The
   * present owner then very likely hangs in the same handler, unless its process is known to be gone.
   */
  #hasBlockedBefore({ jobId, owner, runs }: OccurrenceRecord): boolean {
    const lostBy = runs.flatMap(({ attempts }) => attempts.flatMap((attempt) => attempt.lostBy ?? []))
    if (owner === null || !lostBy.some((incarnation) => this.#heartbeats.wasBlockedBy(incarnation, jobId))) return false
    const present = this.#heartbeats.peers.get(owner.incarnation)?.record
    return lives(owner.incarnation, present?.about.process) !== false
  }

  #answered(
    { jobName, lostTasks }: { readonly jobName: string; readonly lostTasks: readonly string[] },
    item: ReapItem,
    answer: ReapAnswer,
  ): void {
    if (answer.outcome !== 'reaped') return
    const { events, logger } = this.#engine
    const { id: occurrenceId, jobId, action, reason } = item
    const scheduledAt = new Date(item.scheduledAt)
    const level = action === 'retry' ? 'warn' : 'error'
    const end = action === 'retry' ? 'it is tried again' : 'it has failed'
    logger[level]({ job: jobName, occurrenceId, scheduledAt, action, reason }, `occurrence reaped: ${end}`)
    events.emit('occurrence.reaped', {
      jobId,
      jobName,
      occurrenceId,
      scheduledAt,
      action,
      reason,
      lostTasks,
    })
    if (action === 'retry' || answer.woken !== null) this.#capacity.workAppeared()
  }

  /** The job of an occurrence: this node need not know it, nor have its handlers. */
  async #jobOf({ jobId, jobVersion }: OccurrenceRecord): Promise<{ name: string; definition: Beginning | null }> {
    const job = this.#registry.get(jobId)
    const plan = job?.version === jobVersion ? this.#registry.plans.planOf(job) : null
    if (job !== undefined && plan !== null) return { name: job.job.name, definition: plan }
    const { jobs, versions } = await this.#engine.storage.repeated('get', (calls) =>
      calls.get({ jobs: [jobId], versions: [{ jobId, version: jobVersion }] }),
    )
    const name = jobs[0]?.name ?? jobId
    const [version] = versions
    if (version == null || readJobDocument(version.definition).isUnreadable === true) return { name, definition: null }
    return { name, definition: definitionOf(version) }
  }
}
