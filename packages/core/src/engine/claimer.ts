import type { JobId } from '../ids.ts'
import type { OccurrenceRecord } from '../storage/occurrence-record.ts'
import type { ClaimAnswer } from '../storage/storage.ts'
import { afterThisTurn } from '../system-clock.ts'
import type { Alarm } from './agenda.ts'
import type { EngineContext } from './engine-context.ts'
import type { ExecutionPool } from './execution-pool.ts'
import { overridePlan } from './job-plan.ts'
import type { JobRegistry } from './job-registry.ts'
import { EngineStopped } from './storage-caller.ts'

// What a damaged storage left behind is looked for once in so many polls.
const pollsPerSweep = 60

/** Takes what waits in the storage while this node has room for it. */
export class Claimer implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #pool: ExecutionPool
  readonly #pollIntervalMs: number
  readonly #exceptHandlerKeys = new Set<string>()
  #backlog = false
  #kicked = false
  #claiming: Promise<void> | null = null
  #again = false
  #stopped = false
  #polls = 0

  constructor(engine: EngineContext, options: { registry: JobRegistry; pool: ExecutionPool; pollIntervalMs: number }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#pool = options.pool
    this.#pollIntervalMs = options.pollIntervalMs
  }

  /** Something that is due waits in the storage, as far as this node knows. */
  get hasBacklog(): boolean {
    return this.#backlog
  }

  /** Claims nothing more; resolves when what is under way has been answered. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#engine.agenda.cancelAlarm(this)
    await this.#claiming
  }

  /** Resolves when no claim is under way: until it is answered, a claim holds places that it may not need. */
  async answered(): Promise<void> {
    await this.#claiming
  }

  /** A poll. */
  ring(): void {
    this.#claim(this.#polls++ % pollsPerSweep === 0)
  }

  /** Something waits in the storage. */
  pendingAppeared(): void {
    this.#backlog = true
    this.kick()
  }

  /** A place has become free. */
  placeFreed(): void {
    if (this.#backlog) this.kick()
  }

  /** Claims once the present turn is over, so that places that become free together are filled together. */
  kick(): void {
    if (this.#kicked || this.#stopped) return
    this.#kicked = true
    afterThisTurn(() => {
      this.#kicked = false
      if (this.#pool.free > 0) this.#claim(false)
    })
  }

  #claim(sweep: boolean): void {
    if (this.#stopped) return
    if (this.#claiming !== null) {
      this.#again = true
      return
    }
    this.#claiming = this.#claimAll(sweep)
      .catch((error) => {
        if (!(error instanceof EngineStopped)) this.#engine.fail('claim', error)
      })
      .finally(() => {
        this.#claiming = null
        if (this.#again && !this.#stopped) {
          this.#again = false
          this.kick()
        }
      })
  }

  async #claimAll(sweep: boolean): Promise<void> {
    const { owner, storage, maxBatch } = this.#engine
    for (;;) {
      const limit = Math.max(0, Math.min(maxBatch, this.#pool.free))
      const now = this.#engine.now()
      const exceptHandlerKeys = [...this.#exceptHandlerKeys]
      this.#pool.reserve(limit)
      let answer: ClaimAnswer
      try {
        answer = await storage.repeated('claim', (calls) =>
          calls.claim({ now, owner, limit, exceptHandlerKeys, sweep }),
        )
      } finally {
        this.#pool.unreserve(limit)
      }
      for (const notice of answer.cancelRequested) this.#pool.get(notice.id)?.cancel(notice.reason)
      await Promise.all(answer.claimed.map((record) => this.#run(record, now)))
      this.#backlog = answer.more
      const wait = answer.nextDueAt === null ? this.#pollIntervalMs : Math.max(1, answer.nextDueAt - this.#engine.now())
      if (!this.#stopped) this.#engine.agenda.setAlarm(this, Math.min(this.#pollIntervalMs, wait))
      if (!answer.more || answer.claimed.length === 0 || this.#stopped || this.#pool.free <= 0) return
    }
  }

  async #run(record: OccurrenceRecord, now: number): Promise<void> {
    const job = this.#registry.get(record.jobId)
    const stored = job === undefined ? null : await this.#registry.planOfVersion(job, record.jobVersion)
    if (job === undefined || stored === null || this.#stopped) {
      await this.#handBack(record, now)
      return
    }
    const { overrides, tasks } = record.details
    const plan =
      overrides === undefined && tasks === undefined ? stored : overridePlan(stored, overrides ?? {}, tasks ?? null)
    this.#pool.run({
      job,
      plan,
      occurrence: { ...record, startedAt: record.startedAt ?? now },
      runs: record.runs,
      fresh: false,
    })
  }

  /** This node cannot run it: others may. */
  async #handBack(record: OccurrenceRecord, now: number): Promise<void> {
    const { storage, logger } = this.#engine
    const { id, jobId, scheduledAt, token, runs } = record
    if (!this.#stopped) {
      this.#exceptHandlerKeys.add(await this.#handlerKeyOf(jobId))
      logger.warn({ jobId, occurrenceId: id }, 'no handlers for this job on this node: left to others')
    }
    const change = { kind: 'release', dueAt: now, reason: 'no_handler' } as const
    const item = { id, jobId, scheduledAt, token, sequence: 1, runs, change }
    await storage.repeated('settle', (calls) => calls.settle({ now, items: [item] }))
  }

  async #handlerKeyOf(jobId: JobId): Promise<string> {
    const { jobs } = await this.#engine.storage.repeated('get', (calls) => calls.get({ jobs: [jobId] }))
    return jobs[0]?.handlerKey ?? jobId
  }
}
