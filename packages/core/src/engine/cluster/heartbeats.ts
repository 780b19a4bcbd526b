import { JobistemerError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { NodeProfile, NodeRecord } from '../../storage/node-record.ts'
import type { HeartbeatAnswer, HeartbeatRequest, NodeAtCounter } from '../../storage/storage.ts'
import { lookMs, wakeDelayMs } from '../../tuning.ts'
import type { Alarm } from '../runtime/agenda.ts'
import { BackgroundLoop, EngineStopped } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { Signal } from '../runtime/signal.ts'
import { isStorageGone } from '../storage-access/retrying-storage.ts'
import { type NodeCode, outdatedDeaths, recordOfDead, Peers } from './peers.ts'
import { answersWithin, partitionedAfter } from './tuning.ts'

export interface HeartbeatOptions {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  /**
   * Whether this node may rest: while no other node exists, a resting node sends only one heartbeat per day.
   *
   * A new node ends this rest by a wake-up, so the storage must lose no wake-ups. Only a storage in this process loses
   * none. The value is true only with such a storage, and only under a virtual clock.
   */
  readonly restsAlone: boolean
  /** What the node record states about this node, for people and for other nodes. */
  readonly about: JsonObject
  /**
   * Maximum duration of each of two waits during the shutdown of this node, in ms. First the node waits until a heartbeat
   * in progress has ended. Then it sends its last heartbeat, and waits for the answer.
   */
  readonly farewellMs: number
  /** Only for a call of `runDue`: returns how much of the call's budget is left, in ms. */
  readonly callLeftMs?: () => number
  /** Returns the number of occurrences that this node runs. */
  readonly running: () => number
  /** Returns the code of this node: which jobs the node can run, and which definitions the node has. */
  readonly code: () => NodeCode
  /** Receives the node records that a heartbeat has read. */
  readonly onAnswer: (records: readonly NodeRecord[]) => void
}

/**
 * Sends the heartbeats of this node and observes the other nodes.
 *
 * - A heartbeat stores this node's record with a larger counter. Its answer contains the records of all nodes.
 * - A look is a read of all node records. Each heartbeat is a look, and `look` reads the records without a heartbeat.
 * - From the looks, `Peers` derives which nodes live.
 */
export class Heartbeats {
  /**
   * Sent when other nodes have started, shut down or died, or when the code of a node has changed. While this node knows a
   * dead or ended node, the signal is also sent after each heartbeat. At each signal, the reaper searches again for runs
   * that the dead or ended node has left.
   */
  readonly changed: Signal = new Signal()
  /**
   * Sent when this node sends regular heartbeats again after a rest. A node rests while it is alone, and the rest ends when
   * another node starts or is found.
   */
  readonly restEnded: Signal = new Signal()
  /** Sent when the storage has accepted no heartbeat of this node for 80 % of `deadAfter`. */
  readonly partitioned: Signal = new Signal()
  /** Sent when the storage accepts heartbeats of this node again. */
  readonly rejoined: Signal = new Signal()
  readonly peers: Peers
  readonly #engine: EngineContext
  readonly #options: HeartbeatOptions
  readonly #loop: BackgroundLoop
  readonly #partition: Alarm = { at: 0, heapIndex: -1, ring: () => this.#sayPartitioned() }
  /** Node records that the next heartbeat removes, by incarnation. */
  readonly #remove = new Map<string, NodeAtCounter>()
  /** The code of this node in the heartbeat that was prepared last. */
  #code: NodeCode = { profile: null, digest: '' }
  /** Whether the code of this node has changed since the last heartbeat was prepared. */
  #isCodeStale = true
  /** The code digest in the last accepted heartbeat. The other nodes assign jobs to this node by this digest. */
  #acceptedDigest = ''
  /** The profile of this node that the next heartbeat carries; `null` if the storage already has the profile. */
  #profile: NodeProfile | null = null
  #startedAt = 0
  #callEndsAt: number | null = null
  /**
   * The counter in the heartbeat that this node prepared last. During the start of this node, the counter is below 0. Other
   * nodes assign no jobs to a node with a counter below 1.
   */
  #counter = -1_000_000
  #phase: 'living' | 'leaving' | 'ended' = 'living'
  /**
   * Whether a wake-up has scheduled an early heartbeat. At its end, a heartbeat schedules the next heartbeat for the
   * regular time. While this value is true, the heartbeat at its end schedules nothing, and so does not postpone the early
   * heartbeat.
   */
  #isWoken = false
  #isSaidPartitioned = false
  /** Whether this node rests: it is alone, and sends one heartbeat per day until another node starts. */
  isResting = false
  /** Monotonic instant at which the last accepted heartbeat was sent; `null` before the first accepted heartbeat. */
  #heardAt: number | null = null
  /** Number of heartbeats that have failed since the last accepted heartbeat. */
  #failures = 0

  constructor(engine: EngineContext, options: HeartbeatOptions) {
    this.#engine = engine
    this.#options = options
    this.peers = new Peers(engine, options)
    this.#loop = new BackgroundLoop(engine, { name: 'heartbeat', round: () => this.#beat() })
  }

  /**
   * Whether this node is isolated: other nodes may soon declare it dead, and it takes no new work. The value depends on the
   * clock and not on a timer. So the value is correct even right after a stall of the process, when timers have not fired
   * yet.
   */
  get isPartitioned(): boolean {
    if (this.#heardAt === null || this.isResting) return false
    return this.#engine.clock.monotonic() - this.#heardAt > this.#partitionedAfterMs
  }

  /**
   * Whether this node has started and the storage has accepted one of this node's heartbeats. After this node's death,
   * other nodes take over its runs only if this value was true.
   */
  get isKnown(): boolean {
    return this.#heardAt !== null && this.#counter >= 0
  }

  get #partitionedAfterMs(): number {
    return partitionedAfter * this.#options.deadAfterMs
  }

  get #retryInMs(): number {
    return Math.min(this.#options.heartbeatMs, lookMs)
  }

  /** The digest of this node's code. Nodes with the same code and definitions have equal digests, see `codeDigestOf`. */
  get codeDigest(): string {
    return this.#code.digest
  }

  /** Called when the code or the definitions of this node have changed. The next heartbeat then carries the new profile. */
  codeChanged(): void {
    this.#isCodeStale = true
  }

  /** Sends a heartbeat with this node's changed code at once. Resolves when the storage has accepted the heartbeat. */
  async tell(): Promise<void> {
    this.#isCodeStale = true
    // If the heartbeat fails, retries follow after short delays. With long delays, other nodes might declare this node
    // dead.
    const repeating = { longestPauseMs: this.#retryInMs }
    await this.#engine.storage.repeated('heartbeat', () => this.#say(), null, repeating)
  }

  /**
   * Reads all node records, and the profiles of the given incarnations. Sends no heartbeat. Repeats the read until the storage
   * answers.
   */
  async look(profilesOf: readonly string[] = []): Promise<HeartbeatAnswer> {
    const request = { now: this.#engine.now(), own: null, remove: [], profilesOf }
    let askedAt = 0
    const answer = await this.#engine.storage.repeated('heartbeat', (calls) => {
      askedAt = this.#engine.clock.monotonic()
      return calls.heartbeat(request)
    })
    if (this.peers.observe(answer.nodes, askedAt)) this.changed.send()
    return answer
  }

  /**
   * Begins the start of this node: stores the node's first heartbeat, with its definitions. The node brings its definitions
   * into force only after this heartbeat. So each definition in force belongs to a living node. The node takes no work yet:
   * its counter is below 1.
   */
  async announce(): Promise<void> {
    this.#startedAt = this.#engine.now()
    const { callLeftMs } = this.#options
    if (callLeftMs !== undefined) this.#callEndsAt = this.#startedAt + callLeftMs()
    await this.#introduce()
  }

  /**
   * Ends the start of this node. Resolves when the storage has a heartbeat with a counter above 0; from then on, this node
   * may take work.
   */
  async start(): Promise<void> {
    this.#counter = 0
    await this.#introduce()
    // The ranks of the nodes depend on the code that each node has stored. This node has stored its code during the start, so
    // the engine must compute the ranks again.
    this.changed.send()
  }

  async #introduce(): Promise<void> {
    await this.tell()
    this.#loop.runIn(this.#options.heartbeatMs)
  }

  /** Called when another node starts or leaves. Ends this node's rest, and sends the next heartbeat early. */
  wake(): void {
    if (this.#heardAt === null || this.#isWoken) return
    this.#isWoken = true
    this.#endRest()
    this.#loop.runIn(Math.min(wakeDelayMs, this.#options.heartbeatMs))
  }

  /** Begins the shutdown: a heartbeat announces at once that this node is leaving. Heartbeats continue until `end`. */
  leave(): void {
    if (this.#heardAt === null) return
    this.#phase = 'leaving'
    this.#loop.run()
  }

  /**
   * Stops the heartbeats of this node. With `isEmpty`, the node has no runs, and a last heartbeat marks the node as ended.
   * Otherwise, peers declare the node dead later, and take over its runs.
   */
  async end({ isEmpty }: { readonly isEmpty: boolean }): Promise<void> {
    const { agenda } = this.#engine
    const { farewellMs } = this.#options
    const isHeard = this.#heardAt !== null
    agenda.cancelAlarm(this.#partition)
    await agenda.endsWithin(this.#loop.stop(), farewellMs)
    if (!isHeard || !isEmpty) return
    this.#phase = 'ended'
    // If this heartbeat fails, peers declare this node dead later and find no runs to take over.
    const said = this.#say().catch(() => undefined)
    await agenda.endsWithin(said, farewellMs)
  }

  /**
   * Lets the next heartbeat remove the record of a node that has no runs. The storage keeps the record if its counter is now
   * higher than the given `counter`.
   */
  forget({ incarnation, counter }: NodeRecord): void {
    if (this.peers.settle(incarnation)) this.#remove.set(incarnation, { incarnation, counter })
  }

  /**
   * Returns the instant at which the silence of a dead node began, in epoch ms of this node's time. Usually this is the dead
   * node's last heartbeat. After an outage of the storage, this node restarts its observation. The silence then
   * begins at that restart.
   */
  deadSince({ incarnation }: NodeRecord): number {
    return Math.round(this.#engine.now() - this.peers.silentForMs(incarnation))
  }

  /** Stores in a node's record that the node is dead, unless the node has sent a heartbeat in the meantime. */
  async stateDeath(record: NodeRecord, death: Parameters<typeof recordOfDead>[1]): Promise<void> {
    const { incarnation, counter } = record
    const own = recordOfDead(record, death)
    await this.#engine.storage.repeated('heartbeat', (calls) =>
      calls.heartbeat({ now: this.#engine.now(), own, remove: [{ incarnation, counter }], profilesOf: [] }),
    )
  }

  async #beat(): Promise<void> {
    this.#isWoken = false
    const { events, storage } = this.#engine
    let waitMs: number
    try {
      await this.#say()
      if (this.#failures > 0) {
        events.emit('storage.recovered', { operation: 'heartbeat', attempts: this.#failures + 1 })
        storage.outage.left()
        storage.outage.answered()
        this.#failures = 0
      }
      waitMs = this.#engine.untilNextLook(this.#options.heartbeatMs)
    } catch (error) {
      if (storage.isStopped) throw new EngineStopped()
      if (isStorageGone(error)) throw error
      this.#failures++
      this.peers.beginAnew()
      waitMs = this.#retryInMs
      events.emit('storage.failed', { operation: 'heartbeat', error, attempt: this.#failures, retryInMs: waitMs })
      storage.outage.failed('heartbeat', error, this.#failures === 1)
    }
    if (!this.#isWoken) this.#loop.runIn(waitMs)
    if (this.isResting) this.#engine.agenda.rearm()
  }

  /** Sends one heartbeat. @throws the errors of the storage; `STORAGE_TIMEOUT` if the storage does not answer in time */
  async #say(): Promise<void> {
    const { clock, storage } = this.#engine
    // Peers may have declared a partitioned node dead, and removed its record and profile. So such a node sends its profile
    // again.
    if (this.#isCodeStale || this.isPartitioned) {
      this.#isCodeStale = false
      this.#code = this.#options.code()
      this.#profile = this.#code.profile
    }
    const { digest } = this.#code
    const profile = this.#profile
    const request: HeartbeatRequest = {
      now: this.#engine.now(),
      own: this.#record(),
      ...(profile !== null && { profile }),
      remove: [...this.#remove.values()],
      profilesOf: [],
    }
    const askedAt = clock.monotonic()
    const answer = await this.#inTime(storage.once((calls) => calls.heartbeat(request), { isAsked: false }))
    if (this.#profile === profile) this.#profile = null
    const hasNewCode = digest !== this.#acceptedDigest
    this.#acceptedDigest = digest
    for (const { incarnation } of request.remove) this.#remove.delete(incarnation)
    this.#setHeardAt(Math.max(this.#heardAt ?? 0, askedAt))
    if (this.#isSaidPartitioned) this.#sayRejoined()
    const { peers } = this
    const hasChanged = peers.observe(answer.nodes, askedAt)
    if (!this.#options.restsAlone || !peers.isEmpty || this.#remove.size > 0) this.#endRest()
    else {
      // No other node exists that could declare this node dead, so this node cannot be partitioned while it rests.
      this.isResting = true
      this.#engine.agenda.cancelAlarm(this.#partition)
    }
    this.#options.onAnswer(answer.nodes)
    for (const record of outdatedDeaths(answer.nodes, request.now)) this.forget(record)
    if (hasChanged || hasNewCode || peers.dead().length + peers.ended().length > 0) this.changed.send()
  }

  #setHeardAt(at: number): void {
    const { agenda, clock } = this.#engine
    this.#heardAt = at
    agenda.setAlarm(this.#partition, this.#partitionedAfterMs - (clock.monotonic() - at))
  }

  /** Makes this node send regular heartbeats again, because another node may now observe it. */
  #endRest(): void {
    if (!this.isResting) return
    this.isResting = false
    this.#setHeardAt(this.#engine.clock.monotonic())
    this.restEnded.send()
  }

  #record(): NodeRecord {
    const hasEnded = this.#phase === 'ended'
    return {
      ...this.#engine.owner,
      counter: ++this.#counter,
      startedAt: this.#startedAt,
      leaving: this.#phase !== 'living',
      about: {
        ...this.#options.about,
        code: this.#code.digest,
        running: this.#options.running(),
        ...(this.#callEndsAt !== null && { callEndsAt: this.#callEndsAt }),
        ...(hasEnded && { ended: true }),
      },
    }
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const limitMs = answersWithin * this.#options.heartbeatMs
    // This promise only shows that an answer or an error has arrived. The caller gets the error from `answer`.
    const settled = answer.catch(() => undefined)
    if (await this.#engine.agenda.endsWithin(settled, limitMs)) return answer
    throw new JobistemerError('STORAGE_TIMEOUT', {
      message: `The storage has not answered a heartbeat within ${limitMs} ms.`,
      field: 'heartbeat',
      value: limitMs,
      remedy: 'Check whether the storage is overloaded, or whether work blocks the event loop of this process.',
    })
  }

  #sayPartitioned(): void {
    const { clock, events, logger, owner } = this.#engine
    if (this.#isSaidPartitioned || this.#heardAt === null) return
    this.#isSaidPartitioned = true
    const unheardForMs = Math.round(clock.monotonic() - this.#heardAt)
    events.emit('node.isolated', { node: owner.node, unheardForMs })
    logger.error(
      { node: owner.node, unheardForMs },
      'the storage accepts no heartbeat of this node: the node takes no new work, and peers may declare the node dead',
    )
    this.partitioned.send()
  }

  #sayRejoined(): void {
    const { events, logger, owner } = this.#engine
    this.#isSaidPartitioned = false
    events.emit('node.rejoined', { node: owner.node })
    logger.warn({ node: owner.node }, 'this node rejoined the cluster')
    this.rejoined.send()
  }
}
