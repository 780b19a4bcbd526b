import { withMaxQueued } from '../configuration/read-settings.ts'
import { orDefault, readObject } from '../configuration/read-value.ts'
import { toDurationMs } from '../duration.ts'
import { EventHub } from '../events.ts'
import { assertModulesExist } from '../job/isolated-work.ts'
import { guardedMetrics, recordMetrics } from '../metrics/record-metrics.ts'
import type { GaugeValues } from '../metrics/metrics.ts'
import type { CheckedSchedulerOptions } from '../scheduler-options.ts'
import { readRunDueOptions, type RunDueOptions, type RunDueReport } from '../run-due.ts'
import type { ShutdownOptions } from '../scheduler.ts'
import { random } from '../system-clock.ts'
import { guardedTracing, outsideTraces } from '../tracing/guarded-tracing.ts'
import { Capacity } from './execution/capacity.ts'
import { callDue, type CallingNode, type CallOf, callTimesOf, type DueCall } from './due-call.ts'
import { Claimer } from './scheduling/claimer.ts'
import { Horizon } from './scheduling/horizon.ts'
import { SlotCreator } from './scheduling/slot-creator.ts'
import { SlotLauncher } from './scheduling/slot-launcher.ts'
import { Children } from './execution/isolation/children.ts'
import { DefinitionWatcher } from './definitions/definition-watcher.ts'
import { JobRegistry } from './definitions/job-registry.ts'
import { isOfBuild, type RegisteredJob } from './definitions/registered-job.ts'
import { PeerDefinitions } from './definitions/definition-precedence.ts'
import { importTickers, ScheduleReviver } from './definitions/schedule-reviver.ts'
import { Agenda } from './runtime/agenda.ts'
import { CallerContext, type CallOptions } from './storage-access/caller-context.ts'
import { BlockedLoop } from './runtime/blocked-loop.ts'
import { clientClosed, type EngineContext, type Phase, stateError } from './storage-access/engine-context.ts'
import { OwnContext } from './runtime/own-context.ts'
import { isStorageGone, RetryingStorage } from './storage-access/retrying-storage.ts'
import { uniqueSuffix } from './runtime/unique-suffix.ts'
import { codeOf } from './cluster/node-code.ts'
import type { NodeCode } from './cluster/peers.ts'
import { Heartbeats } from './cluster/heartbeats.ts'
import { aboutOf, readNodeInfos } from './cluster/node-info.ts'
import { NodeName } from './cluster/node-name.ts'
import { onShutdownSignals } from './api/process-signals.ts'
import { ShardAssignment } from './cluster/shard-assignment.ts'
import { Reaper } from './maintenance/reaper.ts'
import { Retainer } from './maintenance/retention.ts'
import { StaleJobAlert } from './maintenance/stale-job-alert.ts'
import { OverdueTakeover } from './scheduling/overdue-takeover.ts'
import { liveCounts } from './api/list-pages.ts'
import { Operations } from './api/operations.ts'
import { Recovery } from './scheduling/recovery.ts'
import { ExecutionPool } from './execution/execution-pool.ts'
import { EngineTime } from './time/engine-time.ts'
import type { WakeUp } from '../storage/storage.ts'
import { dayMs, longestName, lookMs, ordinaryHeartbeatMs } from '../tuning.ts'

const shutDownMeanwhile = () => stateError('start', 'stopped', 'It was shut down meanwhile.')

/** Creates, starts and stops all parts of one scheduler, one client or one call of `runDue`. */
export class Engine implements CallingNode {
  /** The operations that a scheduler or client offers to its users. */
  readonly operations: Operations
  readonly context: OwnContext = new OwnContext()
  readonly clock: EngineContext['clock']
  readonly agenda: Agenda<RegisteredJob>
  readonly storage: RetryingStorage
  readonly events: EventHub
  readonly logger: EngineContext['logger']
  readonly tracing: EngineContext['tracing']
  readonly owner: EngineContext['owner']
  readonly defaults: EngineContext['defaults']
  readonly maxBatch: number
  readonly worthwhileBatch: number
  readonly mostQueued: number
  readonly #options: CheckedSchedulerOptions
  readonly #time: EngineTime
  readonly registry: JobRegistry
  readonly capacity: Capacity
  readonly pool: ExecutionPool
  readonly #children: Children
  readonly claimer: Claimer
  readonly launcher: SlotLauncher
  readonly #heartbeats: Heartbeats
  readonly #name: NodeName
  readonly #overdue: OverdueTakeover
  readonly #horizon: Horizon
  readonly retainer: Retainer
  readonly #staleJobAlert: StaleJobAlert
  readonly #blockedLoop: BlockedLoop
  readonly reaper: Reaper
  readonly recovery: Recovery
  readonly #watcher: DefinitionWatcher
  /** The background loops that a shutdown stops first. */
  readonly #loops: readonly { stop(): void | Promise<void> }[]
  readonly #callOf: CallOf | null
  /** How long a shutdown waits for one answer of the storage, in ms. */
  readonly #farewellMs: number
  /** The call of `runDue` that this engine serves; `null`: this is the engine of a scheduler or a client. */
  #call: DueCall | null = null
  /** The nodes of this scheduler's `runDue` calls in progress. */
  readonly #calls = new Set<Engine>()
  /** For a client: the attempt to connect that is in progress; `null`: none. */
  #connecting: Promise<void> | null = null
  #phase: Phase = 'new'
  #isStorageGone = false
  #stopping: Promise<void> | undefined
  /** Resolves when the node's start has succeeded or failed; `null`: no start has begun. */
  #startSettled: Promise<unknown> | null = null
  #giveUpStart: () => void = () => undefined
  /**
   * Functions that end the subscription to wake-ups, the signal handlers and the metrics. The engine calls them when it has
   * ended.
   */
  readonly #cleanUps: (() => void)[] = []

  /**
   * Creates an engine outside of any trace. The background work of the engine runs in the async context of its creation, and
   * would otherwise belong to a trace of the caller. `isClient`: the engine runs no jobs.
   */
  static make(options: CheckedSchedulerOptions, kind: { readonly isClient?: boolean } = {}): Engine {
    return outsideTraces(options.tracing, () => new Engine(options, kind))
  }

  private constructor(
    options: CheckedSchedulerOptions,
    { isClient = false, callOf = null }: { readonly isClient?: boolean; readonly callOf?: CallOf | null } = {},
  ) {
    this.#options = options
    this.#callOf = callOf
    this.#farewellMs = callOf?.times.farewellMs ?? lookMs
    this.logger = options.logger
    this.events = new EventHub(options.logger, callOf?.events)
    this.tracing = options.tracing === null ? null : guardedTracing(options.tracing, this)
    this.clock = options.clock
    const { capabilities } = options.storage
    const { maxBatch, findsDueJobs = false, takesNext = false } = capabilities
    this.mostQueued = capabilities.maxQueued ?? Number.POSITIVE_INFINITY
    this.defaults = withMaxQueued(options.defaults, this.mostQueued)
    this.owner = { node: options.nodeId, incarnation: uniqueSuffix(this.random()) }
    this.maxBatch = maxBatch
    this.worthwhileBatch = Math.min(capabilities.worthwhileBatch ?? maxBatch, maxBatch)
    this.agenda = new Agenda({
      clock: this.clock,
      wallNow: () => this.now(),
      onSlotsDue: () => this.launcher.launch(),
      holdsProcess: !isClient,
    })
    this.storage = new RetryingStorage(options.storage, this)
    this.#time = new EngineTime(this, { storage: options.storage, limitMs: options.derived.maxClockSkew })
    const metrics = options.metrics === null || callOf !== null ? null : guardedMetrics(options.metrics, this)
    let removedUnheld = (_jobName: string): void => undefined
    if (metrics !== null) {
      removedUnheld = recordMetrics(this.events, metrics, () => this.now())
      const read = () => this.#readGauges()
      metrics.gauges(read)
      this.#cleanUps.push(() => metrics.end(read))
    }
    const { deadAfterMs, derived } = options
    const { heartbeat: heartbeatMs } = derived
    const madeAt = this.clock.monotonic()
    const reviver = new ScheduleReviver()
    for (const type of options.scheduleTypes) reviver.add(type)
    this.#heartbeats = new Heartbeats(this, {
      heartbeatMs,
      deadAfterMs,
      restsAlone: options.restsAlone,
      about: aboutOf(options),
      farewellMs: this.#farewellMs,
      ...(callOf !== null && { callLeftMs: () => callOf.budgetMs - (this.clock.monotonic() - madeAt) }),
      running: () => this.pool.begun,
      code: () => this.#code(),
      onAnswer: (records) => this.#name.reportOthers(records),
    })
    const heartbeats = this.#heartbeats
    this.#name = new NodeName(this, { heartbeats, heartbeatMs })
    this.registry = new JobRegistry(this, {
      reviver,
      handlers: options.handlers,
      standbyMs: derived.standby,
      mostHeld: findsDueJobs ? derived.heldJobs : Number.POSITIVE_INFINITY,
      others: new PeerDefinitions(heartbeats),
      deadAfterMs,
      release: options.release,
      isClient,
    })
    this.capacity = new Capacity(this, { limit: options.maxConcurrentJobs, prefetch: options.prefetch })
    this.#children = new Children(this, { most: options.maxChildren })
    this.pool = new ExecutionPool(this, this.capacity, this.#children)
    const { registry, capacity, pool } = this
    const parts = { registry, capacity, pool }
    this.claimer = new Claimer(this, { ...parts, pollIntervalMs: options.pollIntervalMs, takesNext })
    const assignment = new ShardAssignment({ node: this.owner.node, heartbeats, isCall: callOf !== null })
    this.#overdue = new OverdueTakeover(this, { registry, assignment, standbyMs: derived.standby, findsDueJobs })
    this.#horizon = new Horizon(this, { registry, assignment, isBlind: options.handlers.size === 0 })
    this.retainer = new Retainer(this, { assignment })
    this.#staleJobAlert = new StaleJobAlert(this, { assignment, heartbeats, deadAfterMs })
    registry.definitions.listen(() => heartbeats.codeChanged())
    heartbeats.changed.listen(() => {
      this.#overdue.membersChanged()
      this.#horizon.lookForAll()
      registry.overridden.look()
    })
    if (options.restsAlone) {
      for (const change of ['job.registered', 'job.resumed'] as const)
        this.events.on(change, () => this.#staleJobAlert.wake())
    }
    heartbeats.restEnded.listen(() => {
      this.claimer.poll()
      this.reaper.start()
      this.#watcher.wake()
      this.#staleJobAlert.wake()
    })
    heartbeats.partitioned.listen(() => pool.isolated())
    heartbeats.rejoined.listen(() => {
      pool.rejoined()
      capacity.workAppeared()
    })
    registry.overridden.restoreBy((jobs) => registry.registrations.putBack(jobs), derived.definitionInterval)
    this.#blockedLoop = new BlockedLoop(this, () => pool.jobNames())
    const launchParts = { ...parts, overdue: this.#overdue }
    this.recovery = new Recovery(this, launchParts)
    this.launcher = new SlotLauncher(this, {
      ...launchParts,
      agenda: this.agenda,
      creator: new SlotCreator(this, launchParts),
      recovery: this.recovery,
      claimer: this.claimer,
      assignment,
    })
    this.reaper = new Reaper(this, { ...parts, heartbeats, intervalMs: derived.reapInterval })
    this.operations = new Operations(this, {
      ...parts,
      callTimeoutMs: options.callTimeoutMs,
      phase: () => this.#phase,
      connect: () => this.connect({}),
      nodes: (asked) => readNodeInfos(this, heartbeats, (request) => asked.once((calls) => calls.heartbeat(request))),
      findsDueJobs,
    })
    this.#watcher = new DefinitionWatcher(this, {
      registry,
      workAppeared: () => capacity.workAppeared(),
      removedUnheld,
      intervalMs: derived.definitionInterval,
    })
    const loops = [this.#time, this.reaper, this.#watcher, registry.overridden, this.#overdue, this.#horizon]
    this.#loops = [...loops, this.retainer, this.#staleJobAlert, this.#blockedLoop]
    this.#time.confirmed.listen(() => {
      registry.lookForAhead()
      this.#horizon.lookForAll()
      capacity.workAppeared()
    })
  }

  /**
   * Reads the gauges. Never rejects: if the storage does not answer, the gauges that need its answer are left out. Gauges about
   * peers and silent jobs are left out after the scheduler has ended, because they are outdated then.
   */
  async #readGauges(): Promise<GaugeValues> {
    // If the scheduler has ended or the storage is unavailable, a scrape gets no value for the gauges that count stored
    // occurrences.
    const hasEnded = () => this.#stopping !== undefined || this.#phase === 'stopped'
    const counts = hasEnded()
      ? null
      : await liveCounts(
          // Metrics may call this function while the constructor runs, so it does not use `operations`.
          new CallerContext(this.storage, this.clock, { timeout: 2 * lookMs }, this.#options.callTimeoutMs),
          // Expected here: the storage does not answer in time. The scrape then has no value for these gauges.
        ).catch(() => null)
    const isRunning = this.#phase === 'running'
    const silent = isRunning ? this.#staleJobAlert.count : null
    return {
      scheduler_jobs_running: [this, ...this.#calls].reduce((sum, { pool }) => sum + pool.begun, 0),
      ...(counts !== null && !hasEnded() && { scheduler_jobs_in_queue: counts.pending + counts.queued }),
      scheduler_jobs_paused: this.registry.pausedCount,
      scheduler_jobs_ahead: this.registry.aheadCount,
      ...(silent !== null && { scheduler_jobs_silent: silent }),
      scheduler_clock_skew_seconds: this.#time.skewMs / 1000,
      ...(isRunning && { scheduler_nodes: this.#heartbeats.peers.living().length + 1 }),
      scheduler_node_isolated: this.#heartbeats.isPartitioned ? 1 : 0,
      scheduler_clock_unconfirmed: this.#time.isInDoubt ? 1 : 0,
    }
  }

  now(): number {
    return this.#time.now()
  }

  get isTimeInDoubt(): boolean {
    return this.#time.isInDoubt
  }

  get isHeldBack(): boolean {
    return this.#time.isInDoubt || !this.#heartbeats.isKnown || this.#heartbeats.isPartitioned
  }

  untilNextLook(intervalMs: number): number {
    return this.#heartbeats.isResting ? Math.max(intervalMs, dayMs) : intervalMs
  }

  random(): number {
    return this.clock.random?.() ?? random()
  }

  fail(where: string, error: unknown): void {
    if (this.#phase === 'stopped') return
    this.events.emit('engine.failed', { where, error })
    const isGone = isStorageGone(error)
    // If the storage is closed or replaced, all other calls in progress fail with the same error. Log only the first error.
    if (isGone && this.#isStorageGone) return
    this.#isStorageGone ||= isGone
    if (isGone && this.#call === null && !this.registry.isClient) {
      const fields = { node: this.owner.node, where, err: error }
      this.logger.error(fields, 'the scheduler shuts down: its storage is closed or was replaced')
      // If the program has set an exit code, that code stays.
      if (this.#options.handleSignals.length > 0) process.exitCode ??= 1
      void this.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
      return
    }
    this.logger.error({ where, err: error }, 'unexpected error in the engine')
    if (!isGone) return
    // Without the storage, a client or a call of `runDue` cannot continue, so it ends.
    if (this.#call === null) void this.disconnect()
    else this.#call.fail(error)
  }

  start(): Promise<void> {
    const starting = this.context.run(() => this.#start())
    if (this.#phase === 'starting') this.#startSettled ??= Promise.allSettled([starting])
    return starting
  }

  async #start(): Promise<void> {
    if (this.#phase !== 'new')
      throw stateError('start', this.#phase, 'A scheduler is started once; create another one.')
    assertModulesExist(this.#options.jobs, this.#options.handlers.values())
    this.#phase = 'starting'
    this.agenda.start()
    const givenUp = new Promise<never>((_, reject) => {
      this.#giveUpStart = () => reject(shutDownMeanwhile())
    })
    try {
      await Promise.race([this.#join(), givenUp])
      if (this.#stopping !== undefined) throw shutDownMeanwhile()
    } catch (error) {
      if (this.#stopping === undefined) {
        await this.#heartbeats.end({ isEmpty: true })
        this.#name.release()
        await this.#children.end()
        this.#endCalls()
        this.#cleanUp()
      }
      this.#phase = 'stopped'
      throw error
    }
    this.#phase = 'running'
    this.storage.isAtWork = true
    this.#cleanUps.push(this.storage.subscribe((wakeUp) => this.context.run(() => this.#wake(wakeUp))))
    const { handleSignals } = this.#options
    if (this.#callOf === null)
      this.#cleanUps.push(onShutdownSignals(handleSignals, () => this.shutdown(), { endsProcess: true }))
    this.reaper.start()
    this.#overdue.start()
    if (this.#callOf === null) this.retainer.start()
    this.#staleJobAlert.start()
    this.#blockedLoop.start()
    this.claimer.poll()
    this.agenda.slotsLaunched()
    this.events.emit('scheduler.started', { node: this.owner.node, jobs: this.registry.size })
    this.logger.info({ node: this.owner.node, jobs: this.registry.size }, 'scheduler started')
  }

  async #importTickers(): Promise<void> {
    const importing = importTickers()
    this.clock.track?.(importing)
    await importing
  }

  /** Joins the cluster. From then on this node may run jobs. */
  async #join(): Promise<void> {
    await this.#importTickers()
    await this.#time.start()
    const earlierLives = await this.#name.claim()
    await this.#heartbeats.announce()
    await this.registry.registrations.register(this.#options.jobs, 'start')
    await this.#watcher.start({ adoptAll: this.#options.handlers.size > 0 })
    // A node of a `runDue` call has a unique name, so it has no earlier lives.
    if (this.#callOf === null) await this.reaper.reapEarlierLives(earlierLives)
    await this.#heartbeats.start()
    await this.#horizon.start()
  }

  #wake({ kind }: WakeUp): void {
    if (this.#stopping !== undefined) return
    if (kind === 'due') this.capacity.workAppeared()
    else if (kind === 'cancel') this.claimer.poll()
    else if (kind === 'nodes') this.#heartbeats.wake()
    else {
      this.#watcher.wake()
      this.#staleJobAlert.wake()
    }
  }

  /** Connects a client: resolves when the time is confirmed. After a failure, the next call connects again. */
  async connect(options: CallOptions): Promise<void> {
    // An import of packages calls no storage, so the timeout of the caller does not include it.
    if (this.#phase === 'new') await this.#importTickers()
    if (this.#phase === 'running') return
    if (this.#phase !== 'new') throw clientClosed()
    const asked = this.operations.asked(options)
    // If the call times out, its error names the last failure of the storage as its cause.
    const stopListening = this.events.on('storage.failed', ({ error }) => asked.failed(error))
    const connected = (): Promise<void> => {
      this.#connecting ??= this.context.run(() => this.#connect()).finally(() => (this.#connecting = null))
      return this.#connecting
    }
    await asked.within(connected).finally(stopListening)
    // Thousands of callers may have waited for this connection, so they continue in several turns of the event loop.
    const turn = this.storage.turn()
    if (turn !== null) await turn
  }

  async #connect(): Promise<void> {
    void this.claimer.stop()
    this.agenda.start()
    await this.#time.start()
    if (this.#stopping !== undefined) throw clientClosed()
    this.#phase = 'running'
    this.storage.isAtWork = true
  }

  /** Ends a client. Resolves when the storage has answered all calls in progress. */
  disconnect(): Promise<void> {
    this.#stopping ??= this.#disconnect()
    return this.#stopping
  }

  async #disconnect(): Promise<void> {
    this.#phase = 'stopping'
    void this.#time.stop()
    // Requests of callers that gave up may wait for the agenda, and the agenda's timer does not keep the process alive. Their
    // next attempt begins within `ordinaryHeartbeatMs`, and gives them up.
    const hold = this.clock.setTimer(2 * ordinaryHeartbeatMs, () => undefined)
    await this.operations.answered()
    hold.cancel()
    this.#phase = 'stopped'
    this.#endCalls()
  }

  runDue(options: RunDueOptions = {}): Promise<RunDueReport> {
    return this.context.run(() => this.#runDue(options))
  }

  async #runDue(options: RunDueOptions): Promise<RunDueReport> {
    const { budgetMs, signal } = readRunDueOptions(options)
    if (this.#phase !== 'new' || this.#stopping !== undefined) {
      const phase = this.#phase === 'new' ? 'stopping' : this.#phase
      throw stateError('call runDue on', phase, 'A started scheduler runs due work by itself.')
    }
    const times = callTimesOf(budgetMs, this.#options.abortGracePeriodMs)
    const suffix = `/${uniqueSuffix(this.random())}`
    const nodeId = this.owner.node.slice(0, longestName - suffix.length) + suffix
    const node = new Engine({ ...this.#options, nodeId }, { callOf: { budgetMs, times, events: this.events } })
    this.#calls.add(node)
    const { handleSignals } = this.#options
    const abort = async (): Promise<void> => node.#call?.abort()
    const removeSignalHandlers = onShutdownSignals(handleSignals, abort, { endsProcess: false })
    try {
      const { peers } = node.#heartbeats
      node.#call = callDue(node, { budgetMs, times, signal, peers })
      return await node.#call.report
    } finally {
      removeSignalHandlers()
      this.#calls.delete(node)
    }
  }

  stop(graceMs: number, abortGraceMs: number): Promise<void> {
    this.#stopping ??= this.context.run(() => this.#shutDown(graceMs, abortGraceMs))
    return this.#stopping
  }

  shutdown(options: ShutdownOptions = {}): Promise<void> {
    readObject(options, 'shutdown', ['gracePeriod', 'abortGracePeriod'])
    const graceMs = toDurationMs(orDefault(options.gracePeriod, this.#options.gracePeriodMs), 'gracePeriod')
    const abortGraceMs = toDurationMs(
      orDefault(options.abortGracePeriod, this.#options.abortGracePeriodMs),
      'abortGracePeriod',
    )
    this.pool.shutdownAsked()
    for (const node of this.#calls) node.pool.shutdownAsked()
    return this.stop(graceMs, abortGraceMs)
  }

  async #shutDown(graceMs: number, abortGraceMs: number): Promise<void> {
    const started = this.#phase !== 'new' && this.#phase !== 'stopped'
    this.#phase = 'stopping'
    const calls = Promise.all(Array.from(this.#calls, (node) => node.#call?.abort()))
    await this.#endStart()
    for (const loop of this.#loops) void loop.stop()
    // The node of a `runDue` call without active runs does not announce that it leaves, because its last heartbeat follows
    // immediately.
    if (this.#callOf === null || this.pool.size > 0) this.#heartbeats.leave()
    this.pool.drain(graceMs)
    const quiet = Promise.all([this.claimer.stop(), this.launcher.stop(), this.operations.answered()])
    const killGraceMs = this.#callOf?.times.killGraceMs
    const cancels = this.claimer.cancelLoop()
    if (this.pool.size > 0) cancels.runIn(lookMs)
    if (started) await this.#passed(this.pool.letEnd(quiet, graceMs, abortGraceMs, killGraceMs))
    void cancels.stop()
    await this.#children.end()
    await this.#passed(this.#heartbeats.end({ isEmpty: this.pool.size === 0 && !this.claimer.mayOwnMore }))
    this.#name.release()
    await calls
    this.#phase = 'stopped'
    this.#endCalls()
    this.registry.skipped.sayAll()
    const abandoned = this.pool.size
    this.pool.abandon()
    this.events.emit('scheduler.stopped', { node: this.owner.node, abandoned })
    this.logger[abandoned > 0 ? 'warn' : 'info']({ node: this.owner.node, abandoned }, 'scheduler stopped')
    this.#cleanUp()
  }

  /** Ends a start that is in progress. Waits at most `farewellMs` for the start's current storage call. */
  async #endStart(): Promise<void> {
    const settled = this.#startSettled
    if (settled === null) return
    // A node without a stored heartbeat has no runs, so it has nothing to store. The shutdown ends the retries of its storage
    // calls.
    if (!this.#heartbeats.isKnown) this.storage.stop()
    if (!(await this.#passed(this.agenda.endsWithin(settled, this.#farewellMs)))) this.#giveUpStart()
    await settled
  }

  /** Returns the given promise. If the clock is virtual, lets its time pass until the promise resolves. */
  #passed<T>(ended: Promise<T>): Promise<T> {
    this.clock.passUntil?.(ended)
    return ended
  }

  #cleanUp(): void {
    for (const cleanUp of this.#cleanUps.splice(0)) cleanUp()
  }

  /**
   * Stops the agenda, which has the timers of all slots and timeouts. Also ends all waiting calls: without the agenda, these
   * calls would not end at their timeouts.
   */
  #endCalls(): void {
    this.operations.stop()
    this.storage.stop()
    this.agenda.stop()
  }

  #code(): NodeCode {
    const { registry, defaults } = this
    const { jobs: given, handlers } = this.#options
    // A node sends its first heartbeat before the registry has any job. This heartbeat announces the jobs of the option `jobs`
    // instead of registered jobs.
    const isEmpty = registry.size === 0
    const jobs = isEmpty ? given : [...registry.all()].filter(isOfBuild).map(({ job }) => job)
    const definitions = isEmpty ? given : registry.definitionsOfBuild()
    return codeOf({ jobs, definitions, handlers: handlers.keys(), defaults })
  }
}
