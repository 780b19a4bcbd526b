import { readInteger, readObject } from '../../configuration/read-value.ts'
import { jobId, type OccurrenceId } from '../../ids.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { Job } from '../../job/define-job.ts'
import { nameOfJob, readJobName } from '../../job/read-jobs.ts'
import type { FailuresFilter, JobOperations, LiveFilter, OccurrenceFilter, PruneOptions } from '../../job-operations.ts'
import type { JsonObject } from '../../json.ts'
import { type Listing, listing, pageOf } from '../../listing.ts'
import { type Failure, type ListedOccurrence, type Occurrence, occurrenceOf } from '../../occurrence.ts'
import type { PauseRecord } from '../../storage/job-record.ts'
import { pausedUntil } from '../../storage/rules.ts'
import type { LiveCounts, WakeUp } from '../../storage/storage.ts'
import type { Capacity } from '../execution/capacity.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { CallerContext, callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import { type EngineContext, clientClosed, type Phase, stateError } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { ExecutionPool } from '../execution/execution-pool.ts'
import { Additions } from './additions.ts'
import type { BackfillOptions, BackfillResult, StopBackfillOptions, StopBackfillResult } from './backfill-options.ts'
import { BackfillRelay } from './backfill-relay.ts'
import { BackfillRuns } from './backfill-runs.ts'
import { Backfills } from './backfills.ts'
import { endOf, type JobSelection, namesOf } from './bulk-pauses.ts'
import type { Change } from './change.ts'
import { ChangeLook } from './change-look.ts'
import { Changes, type ChangesOptions } from './changes.ts'
import {
  type DefinitionPlan,
  Definitions,
  type JobUpdate,
  type PlanOptions,
  type UpdateOptions,
  type UpdateResult,
} from './definitions.ts'
import { type Explanation, explain } from './explain.ts'
import type { History } from './history.ts'
import { type CancelOptions, type CancelResult, type InterventionOptions, Interventions } from './interventions.ts'
import { JobCatalog, type JobDetails, type JobInfo, type JobsFilter } from './job-catalog.ts'
import { JobLookup } from './job-lookup.ts'
import { type JobVersion, type VersionsOptions, versionsOf } from './job-versions.ts'
import { type CheckedFilter, readFailuresFilter, readLiveFilter, readOccurrenceFilter } from './occurrence-filter.ts'
import { listFailures, listOccurrences } from './occurrence-lists.ts'
import { type PauseOptions, readPause } from './pause-options.ts'
import { type RealignedJob, Realigner } from './realign.ts'
import { type RemoveOptions, Removals } from './removals.ts'
import type {
  ReplayOptions,
  TriggerItem,
  TriggerManyOptions,
  TriggerManyResult,
  TriggerOptions,
  TriggerResult,
} from './request-options.ts'
import { Requests } from './requests.ts'
import { upcomingSlots } from './upcoming-slots.ts'
import { type WaitOptions, Waits } from './waits.ts'

/** The parts of an engine that its operations use. */
export interface OperationsHost {
  readonly registry: JobRegistry
  readonly capacity: Capacity
  readonly pool: ExecutionPool
  readonly history: History
  /** The engine is that of a client, which runs and holds no jobs. */
  readonly isClient: boolean
  readonly callTimeoutMs: number
  readonly findsDueJobs: boolean
  phase(): Phase
  /** For a client: resolves when the storage is connected. */
  connect(): Promise<void>
  nodes(asked: StorageCalls): Promise<readonly NodeInfo[]>
  /** Subscribes to wake-ups from the storage, as far as they reach this process. Returns a function that unsubscribes. */
  subscribe(listener: (wakeUp: WakeUp) => void): () => void
}

/** Implements the operations of a running engine for users. */
export class Operations implements JobOperations {
  readonly #engine: EngineContext
  readonly #host: OperationsHost
  readonly #registry: JobRegistry
  readonly #history: History
  readonly #lookup: JobLookup
  readonly #requests: Requests
  readonly #backfills: Backfills
  readonly #interventions: Interventions
  readonly #waits: Waits
  readonly #changes: Changes
  readonly #definitions: Definitions
  readonly #additions: Additions
  readonly #removals: Removals
  readonly #realigner: Realigner
  readonly #catalog: JobCatalog

  constructor(engine: EngineContext, host: OperationsHost) {
    this.#engine = engine
    this.#host = host
    const { registry, capacity, pool, isClient, findsDueJobs } = host
    this.#registry = registry
    this.#history = host.history
    this.#lookup = new JobLookup(engine, registry, { isClient })
    const lookup = this.#lookup
    const runs = new BackfillRuns(engine, capacity)
    pool.relayedBy(new BackfillRelay(engine, { registry, runs }))
    this.#backfills = new Backfills(engine, { registry, runs })
    this.#requests = new Requests(engine, { registry, capacity, pool, lookup })
    this.#interventions = new Interventions(engine, { registry, capacity, pool })
    this.#waits = new Waits(engine, async (id, signal) => {
      this.#assertRunning()
      return this.#interventions.find(id, this.#asked({ ...(signal !== undefined && { signal }) }))
    })
    this.#changes = new Changes(engine, {
      look: new ChangeLook(engine, { findsDueJobs, nodes: (asked) => host.nodes(asked) }),
      storage: async () => {
        if (isClient) await host.connect()
        return this.#asked({})
      },
      subscribe: (listener) => host.subscribe(listener),
    })
    this.#removals = new Removals(engine, { registry, lookup })
    this.#additions = new Additions(engine, { registry, isClient })
    this.#definitions = new Definitions(engine, { registry, removals: this.#removals, isClient })
    this.#realigner = new Realigner(engine, registry)
    this.#catalog = new JobCatalog(registry)
  }

  /** Resolves when no request is in progress. */
  answered(): Promise<void> {
    return this.#requests.answered()
  }

  /** Ends all waiting calls and sends no further ones, because the engine stops. */
  stop(): void {
    this.#waits.stop()
    this.#changes.stop()
    this.#lookup.stop()
    this.#requests.stop()
    this.#additions.stop()
    this.#removals.stop()
  }

  trigger(given: string | Job, options: TriggerOptions = {}): Promise<TriggerResult> {
    return this.request(given, options)
  }

  /** Triggers a job. `results` replace the results of tasks that do not run. */
  request(given: string | Job, options: TriggerOptions, results?: JsonObject): Promise<TriggerResult> {
    try {
      const asked = this.#asked(options)
      const name = nameOfJob(given) as string
      const request = results === undefined ? { job: given } : { job: given, results }
      const send = (job: RegisteredJob) => this.#requests.trigger(job, options, asked, request)
      const held = this.#held(name)
      return held === undefined ? this.#lookUp(name, asked).then(send) : send(held)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async triggerMany(
    items: readonly TriggerItem[],
    options: TriggerManyOptions = {},
  ): Promise<readonly TriggerManyResult[]> {
    return this.#requests.triggerMany(items, options, this.#askedRunning(options))
  }

  async replay(id: OccurrenceId, options: ReplayOptions = {}): Promise<TriggerResult> {
    const asked = this.#askedRunning(options)
    const original = await this.#interventions.find(id, asked)
    const held = this.#host.isClient ? undefined : this.#registry.get(original.jobId)
    const job = held ?? (await this.#lookup.byId(original.jobId, asked))
    if (job === undefined) throw jobNotFound(original.jobId)
    return this.#requests.replay(job, original, options, asked)
  }

  backfill(name: string, options: BackfillOptions): Promise<BackfillResult> {
    return this.#ofJob(name, options, (job, asked) => this.#backfills.backfill(job, options, asked))
  }

  async stopBackfill(name: string, key: string, options: StopBackfillOptions = {}): Promise<StopBackfillResult> {
    return this.#backfills.stop(name, key, options, this.#askedRunning(options))
  }

  async cancel(id: OccurrenceId, options: CancelOptions = {}): Promise<CancelResult> {
    return this.#interventions.cancel(id, options, this.#askedRunning(options))
  }

  cancelSlot(name: string, at: InstantInput, options: InterventionOptions = {}): Promise<CancelResult> {
    return this.#ofJob(name, options, (job, asked) =>
      this.#interventions.cancelSlot(job, toInstantMs(at, 'at'), options, asked),
    )
  }

  async pause(name: string, options: PauseOptions = {}): Promise<void> {
    return this.#pause(name, readPause(options, this.#engine.now()), options)
  }

  #pause(name: string, paused: PauseRecord, options: CallOptions): Promise<void> {
    return this.#ofJob(name, options, (job, asked) => this.#interventions.pause(job, paused, asked))
  }

  resume(name: string, options: InterventionOptions = {}): Promise<void> {
    return this.#ofJob(name, options, (job, asked) => this.#interventions.resume(job, options, asked))
  }

  async pauseAll(filter: JobSelection, options: PauseOptions = {}): Promise<readonly string[]> {
    const asked = this.#asked(options)
    const now = this.#engine.now()
    const paused = readPause(options, now)
    const until = pausedUntil(paused)
    const names = await namesOf(filter, this.#catalog, { asked, now }, (job) => endOf(job) < until)
    for (const name of names) await this.#pause(name, paused, options)
    return names
  }

  async resumeAll(filter: JobSelection, options: InterventionOptions = {}): Promise<readonly string[]> {
    const paused = { asked: this.#asked(options), now: this.#engine.now(), paused: true }
    const names = await namesOf(filter, this.#catalog, paused)
    for (const name of names) await this.resume(name, options)
    return names
  }

  async waitFor(id: OccurrenceId, options: WaitOptions = {}): Promise<Occurrence> {
    return this.#waits.waitFor(id, options)
  }

  changes(options: ChangesOptions = {}): AsyncIterable<Change> {
    // A client connects with its first scan.
    if (!this.#host.isClient || this.#host.phase() !== 'new') this.#assertRunning()
    return this.#changes.follow(options)
  }

  async versions(name: string, options: VersionsOptions = {}): Promise<readonly JobVersion[]> {
    return versionsOf(name, options, this.#asked(options))
  }

  update(name: string, change: JobUpdate, options: UpdateOptions = {}): Promise<UpdateResult> {
    return this.#ofJob(name, options, (job, asked) => this.#definitions.update(job, change, options, asked))
  }

  async add(jobs: Job | readonly Job[], options: CallOptions = {}): Promise<void> {
    return this.#additions.add(jobs, options, this.#askedRunning(options))
  }

  remove(name: string, options?: RemoveOptions): Promise<void>
  remove(names: readonly string[], options?: CallOptions): Promise<readonly string[]>
  async remove(names: string | readonly string[], options: RemoveOptions = {}): Promise<unknown> {
    this.#assertRunning()
    if (Array.isArray(names)) return this.#removals.removeMany(names, options, this.#asked(options))
    return this.#ofJob(names as string, options, (job, asked) => this.#removals.remove(job, options, asked))
  }

  async plan(jobs: readonly Job[], options: PlanOptions): Promise<DefinitionPlan> {
    return this.#definitions.plan(jobs, options, this.#askedRunning(options))
  }

  async apply(plan: DefinitionPlan, options: CallOptions = {}): Promise<void> {
    return this.#definitions.apply(plan, options, this.#askedRunning(options))
  }

  async realign(name?: string, options: CallOptions = {}): Promise<readonly RealignedJob[]> {
    readObject(options, 'options', callOptionNames)
    if (name === undefined) return this.#realigner.realignAll(this.#askedRunning(options))
    return this.#ofJob(name, options, (job, asked) => this.#realigner.realign(job, asked))
  }

  explain(name: string, at: InstantInput, options: CallOptions = {}): Promise<Explanation> {
    return this.#ofJob(name, options, (job, asked) => {
      const slot = { at: toInstantMs(at, 'at'), now: this.#engine.now() }
      readObject(options, 'options', callOptionNames)
      return explain(asked, this.#registry, job, slot)
    })
  }

  async nodes(options: CallOptions = {}): Promise<readonly NodeInfo[]> {
    readObject(options, 'options', callOptionNames)
    return this.#host.nodes(this.#asked(options))
  }

  async prune(options: PruneOptions): Promise<number> {
    return this.#history.prune(options, this.#asked(options))
  }

  async isRunning(name: string, options: CallOptions = {}): Promise<boolean> {
    return this.#history.isRunning(name, options, this.#asked(options))
  }

  occurrences(filter: OccurrenceFilter, options: CallOptions = {}): Listing<ListedOccurrence> {
    return this.#listed(filter, readOccurrenceFilter, options)
  }

  failures(filter: FailuresFilter = {}, options: CallOptions = {}): Listing<Failure> {
    return listing(async (cursor) =>
      listFailures(readFailuresFilter(pageOf(filter, cursor)), options, this.#asked(options)),
    )
  }

  live(filter: LiveFilter = {}, options: CallOptions = {}): Listing<ListedOccurrence> {
    return this.#listed(filter, readLiveFilter, options)
  }

  #listed<Filter extends object>(filter: Filter, read: (filter: Filter) => CheckedFilter, options: CallOptions) {
    return listing(async (cursor) => listOccurrences(read(pageOf(filter, cursor)), options, this.#asked(options)))
  }

  jobs(filter: JobsFilter = {}, options: CallOptions = {}): Listing<JobInfo> {
    return listing(async (cursor) =>
      this.#catalog.jobs(pageOf(filter, cursor), options, this.#asked(options), this.#engine.now()),
    )
  }

  async job(name: string, options: CallOptions = {}): Promise<JobDetails> {
    return this.#catalog.job(name, options, this.#asked(options), this.#engine.now())
  }

  async occurrence(id: OccurrenceId, options: CallOptions = {}): Promise<ListedOccurrence> {
    readObject(options, 'options', callOptionNames)
    const asked = this.#asked(options)
    const record = await this.#interventions.find(id, asked)
    const { jobs } = await asked.once((calls) => calls.get({ jobs: [record.jobId] }))
    return { ...occurrenceOf(record), job: jobs[0]?.name ?? null }
  }

  async counts(name?: string, options: CallOptions = {}): Promise<LiveCounts> {
    return this.#history.counts(name, options, this.#asked(options))
  }

  async nextRuns(name: string, count = 5, options: CallOptions = {}): Promise<readonly Date[]> {
    const asked = this.#asked(options)
    const held = this.#held(name)
    readInteger(count, 'count', 1, 100_000)
    readObject(options, 'options', callOptionNames)
    const job = held ?? (await this.#lookUp(name, asked))
    const slots = await upcomingSlots(asked, job.job.id, job.nextSlots(this.#engine.now()), count)
    return slots.map((slot) => new Date(slot))
  }

  #asked(options: CallOptions): CallerContext {
    const { storage, clock } = this.#engine
    return new CallerContext(storage, clock, options, this.#host.callTimeoutMs)
  }

  #askedRunning(options: CallOptions): CallerContext {
    this.#assertRunning()
    return this.#asked(options)
  }

  /** Calls `call` with the job: synchronously if this node holds the job, and otherwise after a read. */
  async #ofJob<T>(
    name: string,
    options: CallOptions,
    call: (job: RegisteredJob, asked: CallerContext) => Promise<T>,
  ): Promise<T> {
    const asked = this.#asked(options)
    return call(this.#held(name) ?? (await this.#lookUp(name, asked)), asked)
  }

  #assertRunning(): void {
    const phase = this.#host.phase()
    if (phase === 'running') return
    if (this.#host.isClient) throw clientClosed()
    throw stateError('use', phase, 'Start it first, and do not use it after shutdown.')
  }

  /** Returns the job if this node holds it. Synchronous, so that a call on a held job begins in the caller's turn. */
  #held(name: string): RegisteredJob | undefined {
    this.#assertRunning()
    const id = jobId(readJobName(name))
    if (this.#host.isClient) return undefined
    const job = this.#registry.get(id)
    if (job !== undefined) this.#registry.cache.use(job)
    return job
  }

  async #lookUp(name: string, asked: CallerContext): Promise<RegisteredJob> {
    const job = await this.#lookup.byName(name, asked)
    this.#assertRunning()
    return job
  }
}
