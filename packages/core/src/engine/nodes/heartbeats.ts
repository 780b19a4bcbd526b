import { JobistemerError, printValue } from '../../errors.ts'
import type { JobId } from '../../ids.ts'
import type { Job } from '../../job/define-job.ts'
import type { JsonObject } from '../../json.ts'
import type { NodeProfile, NodeRecord } from '../../storage/node-record.ts'
import type { HeartbeatAnswer, HeartbeatRequest, NodeAtCounter } from '../../storage/storage.ts'
import type { Alarm } from '../loop/agenda.ts'
import { BackgroundLoop, EngineStopped } from '../loop/background-loop.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { Signal } from '../loop/signal.ts'
import { isStorageGone } from '../loop/retrying-storage.ts'
import { type NodeCode, readNodeCapabilities } from './code/node-capabilities.ts'
import { aboutOf, deathOf, hasEnded, type NodeInfo, nodeInfoOf, outdatedDeaths, recordOfDead } from './node-info.ts'
import { isDead } from './peer-states.ts'
import { Peers } from './peers.ts'
import { lives, livesHere } from './process/process-mark.ts'

/** Of `deadAfter`, after which a node that nobody hears takes no new work: the others may soon take it for dead. */
const isolatedAfter = 0.8

/** A call that has no answer after so many heartbeats has none: the next is sent. */
const patience = 2

/** A node that looks rarely sees nobody as dead before it has looked so often. */
const leastLooks = 4

/** The counter of a node that starts is below 1: with no more heartbeats than that. */
const beforeStart = -1_000_000

/** A heartbeat that failed is tried again after so long. */
const longestRetryMs = 1000

const wakeDelayMs = 200

/** A heartbeat names at most this many jobs that have blocked the event loop: its size is bounded. */
const mostBlocking = 10

/** Somebody waits for the profile of a node. */
interface WantedProfile {
  readonly incarnation: string
  readonly resolve: (profile: NodeProfile | null) => void
}

/** What the heartbeats of a node are made with. */
export interface HeartbeatOptions {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  readonly restsAlone: boolean
  readonly maxConcurrentJobs: number
  /** At its end the node waits no longer for the storage to hear of it. */
  readonly farewellMs: number
  /** For a call of `runDue`: how much of its time is left. */
  readonly callLeftMs?: () => number
  /** How many occurrences the node runs. */
  readonly running: () => number
  /** What the node can do, and which definitions it has: asked at its start, and when that has changed. */
  readonly code: () => NodeCode
}

/** Says in the storage that this node lives, and learns who else does. */
export class Heartbeats {
  /** Others have come, gone, or died; or what is known of them may have changed. */
  readonly changed: Signal = new Signal()
  /** Another node has started, and this node ends its rest. */
  readonly restEnded: Signal = new Signal()
  /** Nobody has heard this node for so long that others may take it for dead. */
  readonly isolated: Signal = new Signal()
  /** This node is heard again. */
  readonly rejoined: Signal = new Signal()
  readonly peers: Peers
  readonly #engine: EngineContext
  readonly #options: HeartbeatOptions
  readonly #loop: BackgroundLoop
  readonly #isolation: Alarm = { at: 0, heapIndex: -1, ring: () => this.#sayIsolated() }
  readonly #about: JsonObject
  readonly #remove = new Map<string, NodeAtCounter>()
  #wantedProfiles: readonly WantedProfile[] = []
  #earlierLives: readonly NodeRecord[] = []
  #startedAt = 0
  #callEndsAt: number | null = null
  #counter = beforeStart
  /** Given with each heartbeat until one is accepted. */
  #profile: NodeProfile | null = null
  #code = ''
  #capabilities = readNodeCapabilities(null)
  #isCodeStale = false
  #isStarting = true
  #isLeaving = false
  #isWoken = false
  #hasEnded = false
  #isSaidIsolated = false
  #isResting = false
  /** Monotonic instant at which the last heartbeat that was accepted was sent; `null` before the first. */
  #heardAt: number | null = null
  #failures = 0
  /** Living nodes of this one's name, of which that was said. */
  readonly #namesakes = new Set<string>()
  /** Jobs whose handlers have blocked the event loop of this node for about `deadAfter`. */
  readonly #blockedBy = new Set<JobId>()
  #endLife: () => void = () => undefined

  constructor(engine: EngineContext, options: HeartbeatOptions) {
    this.#engine = engine
    this.#options = options
    this.#about = aboutOf(options)
    const { deadAfterMs, heartbeatMs } = options
    this.peers = new Peers(engine, {
      heartbeatMs,
      deadAfterMs,
      longestGapMs: (patience + 1) * heartbeatMs,
      leastSilenceMs: leastLooks * heartbeatMs,
    })
    this.#loop = new BackgroundLoop(engine, { name: 'heartbeat', round: () => this.#beat() })
  }

  /**
   * Nobody has heard this node for so long that others may soon take it for dead: it takes no new work. Also true right
   * after it stood still, before anything has told it so.
   */
  get isIsolated(): boolean {
    if (this.#heardAt === null || this.#isResting) return false
    return this.#engine.clock.monotonic() - this.#heardAt > this.#isolatedAfterMs
  }

  /** It has started, and the others can know of it: if it dies, they take over what it has. */
  get isKnown(): boolean {
    return this.#heardAt !== null && !this.#isStarting
  }

  /** The last heartbeat found no other node, and a wake-up reports the next one: this node sends no heartbeats until then. */
  get isResting(): boolean {
    return this.#isResting
  }

  get #isolatedAfterMs(): number {
    return isolatedAfter * this.#options.deadAfterMs
  }

  /** Records of this node's name, as they were at its start. */
  get earlierLives(): readonly NodeRecord[] {
    return this.#earlierLives
  }

  /** A handler of this job blocked the event loop until other nodes declared this node dead. */
  loopWasBlocked(job: JobId, forMs: number): void {
    if (forMs >= this.#isolatedAfterMs && this.#blockedBy.size < mostBlocking) this.#blockedBy.add(job)
  }

  /**
   * Whether a node that counted as dead lives, and says that a handler of this job had blocked its event loop. A node that
   * has died says nothing.
   */
  wasBlockedBy(incarnation: string, job: JobId): boolean {
    if (incarnation === this.#engine.owner.incarnation) return this.#blockedBy.has(job)
    const peer = this.peers.get(incarnation)
    const blockedBy = peer?.record.about.blockedBy
    return peer?.isProven === true && !isDead(peer.state) && Array.isArray(blockedBy) && blockedBy.includes(job)
  }

  /** Tells nodes with the same code from others. */
  get code(): string {
    return this.#code
  }

  /** Whether this node has told the others that it can run a job. */
  hasToldOf(job: Pick<Job, 'id' | 'tasks'>): boolean {
    return this.#capabilities.canRun(job)
  }

  /** This node has got code, or has lost some, since it told of it: it tells so with its next heartbeat. */
  codeChanged(): void {
    this.#isCodeStale = true
  }

  /** As {@link codeChanged}, at once. */
  async tell(): Promise<void> {
    this.#isCodeStale = true
    await this.#sayUntilHeard()
  }

  #readCode(): void {
    this.#isCodeStale = false
    const { profile, digest, capabilities } = this.#options.code()
    this.#profile = profile
    this.#code = digest
    this.#capabilities = capabilities
  }

  /**
   * Looks who is there, before this node settles anything as its own. Resolves when no other node of its name lives.
   * @throws JobistemerError `NODE_ID_IN_USE`
   */
  async lookAround(): Promise<void> {
    const { owner, isOnSystemClock } = this.#engine
    const before = await this.#look()
    this.#earlierLives = before.filter(({ node }) => node === owner.node)
    // Under another clock all nodes are in one process, and whoever moves it knows which of them live.
    if (!isOnSystemClock) return
    const doubtful = before.filter((record) => {
      if (record.node !== owner.node || record.leaving) return false
      const isAlive = lives(record.incarnation, record.about.process)
      if (isAlive === true) throw inUse(record)
      return isAlive === null
    })
    if (doubtful.length === 0) return
    const { logger } = this.#engine
    logger.info({ node: owner.node }, 'a node of this name may live: it is looked whether it does')
    await this.#wait(patience * this.#options.heartbeatMs)
    const counters = new Map((await this.#look()).map((record) => [record.incarnation, record.counter]))
    for (const record of doubtful) {
      if ((counters.get(record.incarnation) ?? record.counter) !== record.counter) throw inUse(record)
    }
  }

  /** Looks at once who is there, and reads the profiles that are wanted. */
  async look(): Promise<void> {
    await this.#look()
  }

  async #look(): Promise<readonly NodeRecord[]> {
    const wanted = this.#wantedProfiles
    const profilesOf = wanted.map(({ incarnation }) => incarnation)
    const request = { now: this.#engine.now(), own: null, remove: [], profilesOf }
    let askedAt = 0
    const answer = await this.#engine.storage.repeated('heartbeat', (calls) => {
      askedAt = this.#engine.clock.monotonic()
      return calls.heartbeat(request)
    })
    this.#answerWanted(wanted, answer)
    if (this.peers.observe(answer.nodes, askedAt)) this.changed.send()
    return answer.nodes
  }

  #answerWanted(wanted: readonly WantedProfile[], { profiles }: HeartbeatAnswer): void {
    this.#wantedProfiles = this.#wantedProfiles.filter((one) => !wanted.includes(one))
    for (const [index, { resolve }] of wanted.entries()) resolve(profiles[index] ?? null)
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#engine.agenda.setAlarm({ at: 0, heapIndex: -1, ring: resolve }, delayMs)
    })
  }

  /**
   * Tells the others which definitions this node has, before it brings them into force: whoever finds one in force knows
   * of a node that has it. It takes no work yet, and its counter is below 1.
   */
  async announce(): Promise<void> {
    this.#startedAt = this.#engine.now()
    const { callLeftMs } = this.#options
    if (callLeftMs !== undefined) this.#callEndsAt = this.#startedAt + callLeftMs()
    this.#readCode()
    this.#endLife = livesHere(this.#engine.owner.incarnation)
    await this.#sayUntilHeard()
    this.#loop.runIn(this.#options.heartbeatMs)
  }

  /** Resolves when the others can know of this node: it may take work from then on. */
  async start(): Promise<void> {
    this.#isStarting = false
    this.#counter = 0
    this.#readCode()
    await this.#sayUntilHeard()
    // What this node can do is known only now, and so is who goes before it.
    this.changed.send()
    this.#loop.runIn(this.#options.heartbeatMs)
  }

  /** Another node has come, or is leaving. Several often do so at once: they are looked at together. */
  wake(): void {
    if (this.#heardAt === null || this.#isWoken) return
    this.#isWoken = true
    this.#endRest()
    this.#loop.runIn(Math.min(wakeDelayMs, this.#options.heartbeatMs))
  }

  /** The node shuts down: the others are told, and it goes on saying that it lives. */
  leave(): void {
    if (this.#heardAt === null) return
    this.#isLeaving = true
    this.#loop.run()
  }

  /** The node ends. With work left behind it falls silent, and the others take that over when they take it for dead. */
  async end({ isEmpty }: { readonly isEmpty: boolean }): Promise<void> {
    const isHeard = this.#heardAt !== null
    this.#engine.agenda.cancelAlarm(this.#isolation)
    await Promise.race([this.#loop.stop(), this.#wait(this.#options.farewellMs)])
    this.#endLife()
    if (!isHeard || !isEmpty) return
    this.#isLeaving = true
    this.#hasEnded = true
    // A storage that is away hears no farewell: then the others take this node for dead, and find nothing of its work.
    await Promise.race([this.#say().catch(() => undefined), this.#wait(this.#options.farewellMs)])
  }

  /** What this node ran last is taken over: its record may go, if there is one. */
  forget({ incarnation, counter }: NodeRecord): void {
    if (this.peers.settle(incarnation)) this.#remove.set(incarnation, { incarnation, counter })
  }

  /** When a dead node sent its last heartbeat, by the time of this node. */
  deadSince({ incarnation }: NodeRecord): number {
    return Math.round(this.#engine.now() - this.peers.silentForMs(incarnation))
  }

  /** States the death of a node in its record. A heartbeat of that node that came in between stays. */
  async stateDeath(record: NodeRecord, death: Parameters<typeof recordOfDead>[1]): Promise<void> {
    const { incarnation, counter } = record
    const own = recordOfDead(record, death)
    await this.#engine.storage.repeated('heartbeat', (calls) =>
      calls.heartbeat({ now: this.#engine.now(), own, remove: [{ incarnation, counter }], profilesOf: [] }),
    )
  }

  /** What earlier lives of this node ran is settled: their records may go. */
  forgetEarlierLives(): void {
    for (const record of this.#earlierLives) this.forget(record)
  }

  /** Resolves with the profile of a node, after the next heartbeat; `null` for one that is not there any more. */
  profileOf(incarnation: string): Promise<NodeProfile | null> {
    return new Promise((resolve) => {
      this.#wantedProfiles = [...this.#wantedProfiles, { incarnation, resolve }]
    })
  }

  /** Reads all nodes, for people. */
  async nodes(read: (request: HeartbeatRequest) => Promise<HeartbeatAnswer>): Promise<readonly NodeInfo[]> {
    const askedAt = this.#engine.clock.monotonic()
    const answer = await read({ now: this.#engine.now(), own: null, remove: [], profilesOf: [] })
    // A client sends no heartbeats: it learns from several calls which nodes are silent. A lone node that rests is silent, too.
    const [lone, ...others] = answer.nodes.filter((record) => !hasEnded(record))
    const mayRest = others.length === 0 && lone?.about.restsAlone === true
    if (!this.isKnown && !mayRest) this.peers.observe(answer.nodes, askedAt, { isQuiet: true })
    return answer.nodes
      .map((record) => nodeInfoOf(record, this.#lifeOf(record)))
      .sort((left, right) => (left.node < right.node ? -1 : left.node > right.node ? 1 : 0))
  }

  #lifeOf(record: NodeRecord): Pick<NodeInfo, 'dead' | 'silentForMs'> {
    const { peers } = this
    const { incarnation } = record
    const now = this.#engine.now()
    if (incarnation === this.#engine.owner.incarnation) return { dead: null, silentForMs: 0 }
    const stated = deathOf(record)
    if (stated !== null) return { dead: stated, silentForMs: Math.max(0, now - stated.since.getTime()) }
    const silentForMs = Math.round(peers.silentForMs(incarnation))
    const peer = peers.get(incarnation)
    const isKnownDead = peer !== undefined && isDead(peer.state)
    if (isKnownDead) return { dead: { since: new Date(now - silentForMs), takenOverBy: null }, silentForMs }
    return { dead: null, silentForMs: peer?.isProven === true ? silentForMs : null }
  }

  get #retryInMs(): number {
    return Math.min(this.#options.heartbeatMs, longestRetryMs)
  }

  /** Others may know of this node already: after an outage it has to be heard as soon as if it had started. */
  #sayUntilHeard(): Promise<void> {
    const longestPauseMs = this.#retryInMs
    return this.#engine.storage.repeated('heartbeat', () => this.#say(), null, { longestPauseMs })
  }

  async #beat(): Promise<void> {
    this.#isWoken = false
    const retryInMs = this.#retryInMs
    let waitMs: number
    try {
      await this.#engine.storage.tried('heartbeat', { failures: this.#failures, retryInMs }, () => this.#say())
      this.#failures = 0
      waitMs = this.#engine.untilNextLook(this.#options.heartbeatMs)
    } catch (error) {
      if (error instanceof EngineStopped || isStorageGone(error)) throw error
      this.#failures++
      this.peers.beginAnew()
      waitMs = retryInMs
    }
    if (!this.#isWoken) this.#loop.runIn(waitMs)
    if (this.#isResting) this.#engine.agenda.rearm()
  }

  /** One heartbeat. @throws what the storage throws; `STORAGE_TIMEOUT` when it has not answered in time */
  async #say(): Promise<void> {
    const { clock, storage } = this.#engine
    const hasNewCode = this.#isCodeStale
    // Whoever was not heard may have been taken for dead, and its record away, with what it has said of its code.
    if (hasNewCode || this.isIsolated) this.#readCode()
    const profile = this.#profile
    const wanted = this.#wantedProfiles
    const request: HeartbeatRequest = {
      now: this.#engine.now(),
      own: this.#record(),
      ...(profile !== null && { profile }),
      remove: [...this.#remove.values()],
      profilesOf: wanted.map(({ incarnation }) => incarnation),
    }
    const askedAt = clock.monotonic()
    const answer = await this.#inTime(storage.once((calls) => calls.heartbeat(request)))
    if (this.#profile === profile) this.#profile = null
    for (const { incarnation } of request.remove) this.#remove.delete(incarnation)
    this.#setHeardAt(Math.max(this.#heardAt ?? 0, askedAt))
    if (this.#isSaidIsolated) this.#sayRejoined()
    this.#answerWanted(wanted, answer)
    const hasChanged = this.peers.observe(answer.nodes, askedAt)
    if (!this.#options.restsAlone || !this.peers.isEmpty || this.#remove.size > 0) this.#endRest()
    else this.#rest()
    this.#lookForNamesakes(answer.nodes)
    for (const record of outdatedDeaths(answer.nodes, request.now)) this.forget(record)
    const { peers } = this
    if (hasChanged || hasNewCode || peers.dead().length + peers.ended().length > 0) this.changed.send()
  }

  #setHeardAt(at: number): void {
    const { agenda, clock } = this.#engine
    this.#heardAt = at
    agenda.setAlarm(this.#isolation, this.#isolatedAfterMs - (clock.monotonic() - at))
  }

  /** No other node exists that could declare this one dead. */
  #rest(): void {
    this.#isResting = true
    this.#engine.agenda.cancelAlarm(this.#isolation)
  }

  /** Another node may watch this one from now on. */
  #endRest(): void {
    if (!this.#isResting) return
    this.#isResting = false
    this.#setHeardAt(this.#engine.clock.monotonic())
    this.restEnded.send()
  }

  #record(): NodeRecord {
    return {
      ...this.#engine.owner,
      counter: ++this.#counter,
      startedAt: this.#startedAt,
      leaving: this.#isLeaving,
      about: {
        ...this.#about,
        code: this.#code,
        running: this.#options.running(),
        ...(this.#callEndsAt !== null && { callEndsAt: this.#callEndsAt }),
        ...(this.#hasEnded && { ended: true }),
        ...(this.#blockedBy.size > 0 && { blockedBy: [...this.#blockedBy] }),
      },
    }
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    const limitMs = patience * this.#options.heartbeatMs
    return new Promise((resolve, reject) => {
      const alarm = { at: 0, heapIndex: -1, ring: () => reject(noAnswer(limitMs)) }
      this.#engine.agenda.setAlarm(alarm, limitMs)
      answer.finally(() => this.#engine.agenda.cancelAlarm(alarm)).then(resolve, reject)
    })
  }

  /** Two that start at the same moment do not see each other in time. */
  #lookForNamesakes(nodes: readonly NodeRecord[]): void {
    const { owner, logger } = this.#engine
    for (const record of nodes) {
      const { node, incarnation } = record
      if (node !== owner.node || incarnation === owner.incarnation || record.leaving) continue
      if (this.#namesakes.has(incarnation) || lives(incarnation, record.about.process) === false) continue
      // Whether it lives, its next heartbeat tells.
      if (this.peers.silentForMs(incarnation) > 0 || record.counter <= 1) continue
      this.#namesakes.add(incarnation)
      logger.error({ err: inUse(record) }, 'two living nodes have one name')
    }
  }

  #sayIsolated(): void {
    const { clock, events, logger, owner } = this.#engine
    if (this.#isSaidIsolated || this.#heardAt === null) return
    this.#isSaidIsolated = true
    const unheardForMs = Math.round(clock.monotonic() - this.#heardAt)
    events.emit('node.isolated', { node: owner.node, unheardForMs })
    logger.error(
      { node: owner.node, unheardForMs },
      'no heartbeat of this node is accepted: others may take it for dead, and it takes no new work',
    )
    this.isolated.send()
  }

  #sayRejoined(): void {
    const { events, logger, owner } = this.#engine
    this.#isSaidIsolated = false
    events.emit('node.rejoined', { node: owner.node })
    logger.warn({ node: owner.node }, 'the heartbeats of this node are accepted again')
    this.rejoined.send()
  }
}

function inUse({ node, incarnation }: NodeRecord): JobistemerError {
  return new JobistemerError('NODE_ID_IN_USE', {
    message: `A node of the name ${printValue(node)} lives already, as incarnation ${incarnation}.`,
    field: 'nodeId',
    value: node,
    remedy:
      'Give each node a name of its own, or leave nodeId out; shut the other one down first if this is to replace it.',
  })
}

function noAnswer(limitMs: number): JobistemerError {
  return new JobistemerError('STORAGE_TIMEOUT', {
    message: `The storage has not answered a heartbeat within ${limitMs} ms.`,
    field: 'heartbeat',
    value: limitMs,
    remedy: 'Look whether it is overloaded, or whether something holds the event loop of this process.',
  })
}
