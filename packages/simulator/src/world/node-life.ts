import { createScheduler, type Job, type OccurrenceId, type Scheduler, silentLogger } from '@jobistemer/core'
import type { StorageCall } from '@jobistemer/core/testing'
import type { SeededRandom } from '@jobistemer/test-kit'
import { dataHandler, defineSimulatedJob, type HandlerWorld, runDataTask } from '../workload/define-jobs.ts'
import { everyType } from '../workload/every.ts'
import type { SimulatedJob } from '../workload/simulated-job.ts'
import type { Barrier, CutCalls } from './barrier.ts'
import type { CallFault, FaultProfile } from './fault-profile.ts'
import { type CalledOperation, type ConnectionOwner, faultyConnection } from './faulty-connection.ts'
import { NodeClock } from './node-clock.ts'
import { tellRefusal } from './refused.ts'
import type { Timing } from './timing.ts'
import type { World } from './world.ts'

// Maximum number of storage calls of a node at one instant of virtual time, to detect endless loops. Reads of further
// pages of a list do not count.
const mostCallsAtOnce = 3000

const effectless: readonly string[] = ['rejected', 'partitioned', 'cut off', 'away']

/** Returns the symbol of an internal scheduler setting, for which no public option exists. */
function derived(name: string): symbol {
  return Symbol.for(`jobistemer.${name}`)
}

const schedulerOperations: readonly CalledOperation[] = ['claim', 'settle', 'reap']

export type LifeState = 'starting' | 'up' | 'stopping' | 'down' | 'crashed'

/** One incarnation of a node: a process with a scheduler, a clock and a storage connection. */
export class NodeLife implements ConnectionOwner {
  readonly name: string
  readonly nodeId: string
  readonly build: number
  readonly clock: NodeClock
  readonly random: SeededRandom
  readonly scheduler: Scheduler
  readonly handlers: HandlerWorld
  readonly maxBatch: number
  readonly worthwhileBatch: number
  readonly timing: Timing
  state: LifeState = 'starting'
  partitioned: boolean = false
  #disturbedAt = Number.NEGATIVE_INFINITY
  #cut: { readonly calls: CutCalls; readonly barrier: Barrier; lift(): void } | null = null
  readonly #callBudgetMs: number | null
  #wasFrozen = false
  #lastCallAt = -1
  #callsAtOnce = 0
  /** Distinct pages of lists that were requested at this instant. These pages do not count towards the limit of calls. */
  readonly #pagesAtOnce = new Set<string>()
  readonly #world: World

  constructor(
    world: World,
    options: {
      readonly nodeId: string
      readonly life: number
      readonly build: number
      readonly offsetMs: number
      readonly maxConcurrentJobs: number
      readonly prefetch: number
      /** If set, the process makes one call of `runDue` with this budget, in ms. */
      readonly callBudgetMs?: number
    },
  ) {
    this.#callBudgetMs = options.callBudgetMs ?? null
    const { nodeId, life, build, offsetMs } = options
    this.#world = world
    this.nodeId = nodeId
    this.build = build
    this.name = `${nodeId}.${life}`
    this.random = world.faultRandom
    const isAuthoritative = world.followsEveryReading
    this.clock = new NodeClock(world.clock, { offsetMs, random: world.faultRandom, isAuthoritative })
    this.handlers = { seed: world.seed, life: this.name, clock: this.clock, history: world.history }
    const { random } = world
    this.timing = world.timingOf(this.name)
    this.maxBatch = random.pick([1, 4, 1000])
    // In every third seed, `worthwhileBatch` is at most 2. So the node sends small batches concurrently, as on a storage with a
    // low `worthwhileBatch`.
    this.worthwhileBatch = Math.min(world.seed % 3 === 0 ? 2 : this.maxBatch, this.maxBatch)
    this.scheduler = createScheduler({
      logger: silentLogger,
      storage: world.behind(faultyConnection(world.connect(this), this)),
      clock: this.clock,
      nodeId,
      jobs: this.#define(world.jobs.filter(({ isData }) => !isData || world.heldJobs === null)),
      ...(world.heldJobs !== null && { [derived('heldJobs')]: world.heldJobs }),
      handlers: { [dataHandler]: (context) => runDataTask(context, this.handlers) },
      scheduleTypes: [everyType],
      maxConcurrentJobs: options.maxConcurrentJobs,
      prefetch: options.prefetch,
      pollInterval: random.pick([500, 1000, 3000]),
      [derived('reapInterval')]: random.pick([2000, 5000, 15_000]),
      [derived('definitionInterval')]: random.pick([1000, 3000]),
      [derived('heartbeat')]: this.timing.heartbeatMs,
      deadAfter: this.timing.deadAfterMs,
    })
    this.scheduler.on('engine.failed', ({ where, error }) => this.#fail(`engine: ${where}`, error))
    this.scheduler.on('node.lost', ({ incarnation, silentForMs }) =>
      world.history.add(this.name, { kind: 'peer.lost', incarnation, silentForMs }),
    )
    this.scheduler.on('hook.failed', ({ hook, error }) => this.#fail(`hook: ${hook}`, error))
  }

  /** Monotonic time at which a fault last prevented this node from reaching the storage. */
  get disturbedAt(): number {
    return this.#cut === null && this.#world.awayBarrier === null ? this.#disturbedAt : this.#world.clock.monotonic()
  }

  get starting(): boolean {
    return this.state === 'starting'
  }

  get dead(): boolean {
    return this.clock.dead
  }

  get faults(): FaultProfile | null {
    return this.#world.faults
  }

  /** Whether the node can execute a user's request. */
  get usable(): boolean {
    return this.state === 'up' && !this.clock.frozen
  }

  /** Whether the node's process exists, in any state. */
  get alive(): boolean {
    return this.state !== 'down' && this.state !== 'crashed'
  }

  start(): void {
    const { history } = this.#world
    history.add(this.name, { kind: 'node.starting', node: this.nodeId, build: this.build, ...this.timing })
    history.add(this.name, { kind: 'node.clock-stepped', offsetMs: this.clock.offsetMs })
    if (this.#callBudgetMs !== null) {
      this.#runDue(this.#callBudgetMs)
      return
    }
    this.scheduler.start().then(
      () => {
        // The promises of a crashed node continue in the simulator's process, so its start may still complete.
        if (!this.alive) return
        if (this.state === 'starting') this.state = 'up'
        history.add(this.name, { kind: 'node.up' })
        this.#addDataJobs()
      },
      (error) => {
        if (this.state === 'starting') this.#fail('start', error)
      },
    )
  }

  #runDue(budgetMs: number): void {
    const { history } = this.#world
    const begunAt = this.clock.monotonic()
    this.scheduler.on('scheduler.started', () => {
      if (this.alive) history.add(this.name, { kind: 'node.up' })
    })
    const ended = (): void => {
      if (this.state === 'crashed') return
      const tookMs = this.clock.monotonic() - begunAt
      const isHindered = this.#wasFrozen
      history.add(this.name, { kind: 'call.ended', tookMs, budgetMs, isHindered, timersLeft: this.clock.timerCount })
      // `shutDown` may have ended the node during this call of `runDue`. In this case, `shutDown` records the end of the node.
      if (this.state !== 'starting') return
      history.add(this.name, { kind: 'node.stopping' })
      history.add(this.name, { kind: 'node.down' })
      this.state = 'down'
    }
    this.scheduler.runDue({ budget: budgetMs }).then(ended, (error) => {
      ended()
      const isExpected = error.code === 'STORAGE_TIMEOUT' || error.code === 'ABORTED'
      if (!isExpected) this.#fail('runDue', error)
    })
  }

  #define(jobs: readonly SimulatedJob[]): Job[] {
    return jobs.map((job) => {
      const definition = job.builds[Math.min(this.build, job.builds.length - 1)] as (typeof job.builds)[number]
      return defineSimulatedJob(job, definition, this.handlers)
    })
  }

  /** Adds the data jobs of the node's build that the storage does not have. */
  #addDataJobs(): void {
    if (this.#world.heldJobs === null) return
    const jobs = this.#define(this.#world.jobs.filter(({ isData }) => isData))
    const asked = { operation: 'add', detail: `${jobs.length} jobs` }
    this.scheduler.add(jobs).catch((error) => tellRefusal(this.#world, this, { ...asked, error }))
  }

  /**
   * Shuts the node down. The node's runs have `graceMs` to end. Then the node aborts its runs, which have
   * `abortGraceMs` to stop.
   */
  shutDown({ graceMs, abortGraceMs }: { readonly graceMs: number; readonly abortGraceMs: number }): void {
    if (this.state !== 'up' && this.state !== 'starting') return
    this.state = 'stopping'
    this.#world.history.add(this.name, { kind: 'node.stopping' })
    this.scheduler.shutdown({ gracePeriod: graceMs, abortGracePeriod: abortGraceMs }).then(
      () => {
        if (this.state === 'crashed') return
        this.#world.history.add(this.name, { kind: 'node.down' })
        // The process ends after its shutdown. All handlers that still run end with the process.
        this.state = 'down'
      },
      (error) => this.#fail('shutdown', error),
    )
  }

  crash(where: string): void {
    if (!this.alive) return
    this.state = 'crashed'
    this.clock.die()
    this.#world.history.add(this.name, { kind: 'node.crashed', where })
  }

  freeze(where: string, givenMs?: number): void {
    if (!this.alive || this.clock.frozen) return
    const { history, random, profile } = this.#world
    const forMs = givenMs ?? random.whole(100, profile.longestFreezeMs)
    this.clock.freeze()
    this.#wasFrozen = true
    this.#disturbedAt = this.#world.clock.monotonic()
    history.add(this.name, { kind: 'node.frozen', forMs, where })
    this.later(forMs, () => this.thaw())
  }

  thaw(): void {
    if (!this.alive || !this.clock.frozen) return
    this.#disturbedAt = this.#world.clock.monotonic()
    this.#world.history.add(this.name, { kind: 'node.thawed' })
    this.clock.thaw()
  }

  /**
   * For `forMs`, some storage calls of the node do not reach the storage. If `hangs` is true, these calls hang until that
   * time ends; otherwise they fail at once.
   */
  cutOff({ calls, hangs, forMs }: { readonly calls: CutCalls; readonly hangs: boolean; readonly forMs: number }): void {
    if (!this.alive || this.#cut !== null) return
    let lift = (): void => undefined
    const lifted = hangs
      ? new Promise<void>((resolve) => {
          lift = resolve
        })
      : null
    const cut = { calls, barrier: { fault: 'cut off', lifted }, lift } as const
    this.#cut = cut
    this.#world.history.add(this.name, { kind: 'node.cut-off', calls, hangs })
    this.later(forMs, () => {
      if (this.#cut === cut) this.reconnect()
    })
  }

  /** Ends the partition of the node. */
  reconnect(): void {
    this.partitioned = false
    if (this.#cut === null) return
    const { lift } = this.#cut
    this.#cut = null
    this.#disturbedAt = this.#world.clock.monotonic()
    this.#world.history.add(this.name, { kind: 'node.connected' })
    lift()
  }

  barrierTo(operation: CalledOperation): Barrier | null {
    if (this.#world.awayBarrier !== null) return this.#world.awayBarrier
    if (this.partitioned) return { fault: 'partitioned', lifted: null }
    if (this.#cut === null) return null
    const { calls, barrier } = this.#cut
    return calls === 'all' || (calls === 'heartbeats') === (operation === 'heartbeat') ? barrier : null
  }

  /** Sets the node's wall clock to `offsetMs` ahead of the true time. */
  step(offsetMs: number): void {
    if (!this.alive || this.clock.offsetMs === offsetMs) return
    this.clock.offsetMs = offsetMs
    this.#tellClock()
  }

  /** Makes the node's wall clock wrong by `byMs`, for the time `forMs`. */
  jump(byMs: number, forMs: number): void {
    this.#setJump(byMs)
    this.later(forMs, () => this.#setJump(0))
  }

  /** Makes the next reading of the node's wall clock wrong. */
  misread(byMs: number): void {
    this.clock.misread(byMs)
    this.#world.history.add(this.name, { kind: 'node.clock-misread', byMs })
  }

  /** Sets the node's wall clock to the true time. */
  correctClock(): void {
    this.step(0)
    this.#setJump(0)
  }

  #setJump(byMs: number): void {
    if (!this.alive || this.clock.jumpMs === byMs) return
    this.clock.jumpMs = byMs
    this.#tellClock()
  }

  #tellClock(): void {
    const offsetMs = this.clock.offsetMs + this.clock.jumpMs
    this.#world.history.add(this.name, { kind: 'node.clock-stepped', offsetMs })
  }

  whenAwake(callback: () => void): void {
    this.clock.whenAwake(callback)
  }

  later(delayMs: number, callback: () => void): void {
    this.#world.later(delayMs, callback)
  }

  asks(call: StorageCall): void {
    const { history } = this.#world
    if (this.#world.clock.monotonic() !== this.#lastCallAt) this.#pagesAtOnce.clear()
    if (call.method === 'listOccurrences' && call.request.cursor !== null) {
      this.#pagesAtOnce.add(JSON.stringify(call.request))
    }
    if (call.method === 'claim' && call.request.limit > 0) {
      history.add(this.name, { kind: 'work.asked', operation: 'claim', ids: [] })
    } else if (call.method === 'createOccurrences') {
      const starting = call.request.items.filter((item) => 'runs' in item && item.runs !== null)
      const ids = starting.map((item) => (item as { readonly id: OccurrenceId }).id)
      if (ids.length > 0) history.add(this.name, { kind: 'work.asked', operation: 'create', ids })
    }
  }

  called(operation: CalledOperation): void {
    this.#world.counts.storageCalls++
    const now = this.#world.clock.monotonic()
    this.#callsAtOnce = now === this.#lastCallAt ? this.#callsAtOnce + 1 : 1
    this.#lastCallAt = now
    if (this.#callsAtOnce - this.#pagesAtOnce.size > mostCallsAtOnce && this.alive) {
      this.#fail(
        operation,
        new Error(`the node made more than ${mostCallsAtOnce} storage calls at one simulated instant`),
      )
      this.crash('calling the storage without end')
    }
    // After a shutdown, calls of users may still reach the storage. A call of the scheduler is a violation.
    if (this.state === 'down' && schedulerOperations.includes(operation)) {
      this.#world.history.add(this.name, { kind: 'late call', operation })
    }
  }

  injected(fault: CallFault | Barrier['fault'] | 'lost wake-up', operation: string): void {
    this.#world.countFault(fault)
    if (fault !== 'lost wake-up') this.#disturbedAt = this.#world.clock.monotonic()
    const isKnown = effectless.includes(fault)
    this.#world.history.add(this.name, { kind: 'fault', fault, operation }, isKnown ? 'fail' : 'unknown')
  }

  #fail(where: string, error: unknown): void {
    const message = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error)
    this.#world.history.add(this.name, { kind: 'failure', where, message }, 'fail')
  }
}
