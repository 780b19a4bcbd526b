import { resolveJobSettings } from '../../../configuration/resolve-settings.ts'
import type { Retention } from '../../../configuration/settings.ts'
import { isDataAlone, readJobDocument } from '../../../job/job-document.ts'
import { isNoSchedule } from '../../../schedule/no-schedule.ts'
import type { JobRecord } from '../../../storage/job-record.ts'
import { shardOf } from '../../../storage/node-record.ts'
import { isPausedAt } from '../../../storage/rules.ts'
import { changesAtOnce } from '../../jobs/tuning.ts'
import { BackgroundLoop } from '../../loop/background-loop.ts'
import type { EngineContext } from '../../loop/engine-context.ts'
import { firstItems } from '../../loop/pages.ts'
import type { ShardAssignment } from '../shard-assignment.ts'

/** Every so often all jobs are gone through. */
const passMs = 3_600_000

/** The first time soon after the start, at some moment of this span: nodes that live for less than an hour take part. */
const firstPassWithinMs = 120_000

/** Calls that come each minute go through all jobs about as often. */
const callsPerPass = 60

/** A job is looked at about so many times within the age at which its history goes, once in each pass at most, */
const visitsPerAge = 30

/** and at least once in so many passes. */
const mostPassesBetween = 24

const headsPerPage = 100
const removedPerStep = 500

/** Steps that remove history take up this part of a connection's time at most, and those that look for it much less. */
const restsPerRemoval = 4
const restsPerLook = 60
const shortestRestMs = 20
const longestRestMs = 5000

/**
 * Removes history that is older than its job's retention, and jobs that are data alone once their schedule is over and
 * their history has gone. One of the living nodes does so for all jobs: the first in their common order.
 */
export class Retainer {
  readonly #engine: EngineContext
  readonly #assignment: ShardAssignment
  readonly #loop: BackgroundLoop
  /** Jobs of the present page that are still to be looked at. */
  #heads: JobRecord[] = []
  /** Where the next page begins; `null`: at the first job. */
  #cursor: string | null = null
  #isUnderWay = false
  /** Jobs that are not looked at in each pass have their turn by its number. It begins anywhere: a node may live shortly. */
  #pass: number

  constructor(engine: EngineContext, { assignment }: { assignment: ShardAssignment }) {
    this.#engine = engine
    this.#assignment = assignment
    this.#pass = Math.floor(engine.random() * mostPassesBetween)
    this.#loop = new BackgroundLoop(engine, { name: 'retention', round: () => this.#step() })
  }

  /** The first step follows soon. */
  start(): void {
    this.#loop.runIn(this.#engine.random() * firstPassWithinMs)
  }

  /**
   * Goes through all jobs, now and then: once in so many times that it is asked. For nodes that live for moments alone.
   * Resolves when it is done.
   */
  async passSometimes(): Promise<void> {
    if (this.#engine.random() * callsPerPass >= 1) return
    do {
      this.#loop.run()
      await this.#loop.underWay
    } while (this.#isUnderWay && !this.#loop.isStopped && !this.#engine.isHeldBack)
  }

  /** Begins no further step. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #step(): Promise<void> {
    const startedAt = this.#engine.clock.monotonic()
    let leastRestMs = shortestRestMs
    let rests = restsPerLook
    try {
      const now = this.#engine.now()
      if (this.#engine.isHeldBack) {
        leastRestMs = longestRestMs
        return
      }
      const head = this.#nextHead(now)
      if (this.#assignment.commonRank > 0) this.#endPass()
      else if (head !== undefined) {
        rests = restsPerRemoval
        await this.#removeOf(head, now)
      } else if (this.#isUnderWay && this.#cursor === null) this.#endPass()
      else await this.#turnPage()
    } finally {
      const restMs = (this.#engine.clock.monotonic() - startedAt) * rests
      this.#loop.runIn(this.#isUnderWay ? Math.min(Math.max(restMs, leastRestMs), longestRestMs) : passMs)
    }
  }

  #endPass(): void {
    this.#heads = []
    this.#cursor = null
    this.#isUnderWay = false
  }

  async #turnPage(): Promise<void> {
    if (!this.#isUnderWay) this.#pass++
    this.#isUnderWay = true
    const limit = Math.min(headsPerPage, this.#engine.maxBatch)
    const page = await this.#engine.storage.repeated('listJobs', (calls) =>
      calls.listJobs({ deleted: true, limit, cursor: this.#cursor }),
    )
    this.#heads = [...page.items]
    this.#cursor = page.cursor
  }

  /** The next job of the page that may have history which is too old. */
  #nextHead(now: number): JobRecord | undefined {
    for (let head = this.#heads.pop(); head !== undefined; head = this.#heads.pop()) {
      const retention = retentionOf(head)
      if (retention === null || head.createdAt >= now - retention.olderThanMs) continue
      const every = Math.max(1, Math.min(Math.floor(retention.olderThanMs / visitsPerAge / passMs), mostPassesBetween))
      if ((shardOf(head.id) + this.#pass) % every === 0) return head
    }
    return undefined
  }

  async #removeOf(head: JobRecord, now: number): Promise<void> {
    const { olderThanMs, keep } = retentionOf(head) as Retention
    const isOver = head.deletedAt !== null || isFinished(head, now)
    const { more } = await this.#engine.storage.repeated('prune', (calls) =>
      calls.prune({
        now,
        jobId: head.id,
        before: now - olderThanMs,
        keep: isOver ? 0 : keep,
        limit: removedPerStep,
      }),
    )
    if (more) this.#heads.push(head)
    else if (head.deletedAt === null && isOver) await this.#removeIfForgotten(head, now)
  }

  /** Deletes a job of which nothing is left but its definition. */
  async #removeIfForgotten({ id, version }: JobRecord, now: number): Promise<void> {
    const query = { kind: 'job', jobId: id, order: 'ascending', runs: false, limit: 1 } as const
    const left = await firstItems((cursor) =>
      this.#engine.storage.repeated('listOccurrences', (calls) => calls.listOccurrences({ ...query, cursor })),
    )
    if (left.length > 0) return
    await this.#engine.storage.repeated('saveJobs', (calls) =>
      calls.saveJobs({ now, cancelLimit: changesAtOnce, changes: [{ kind: 'delete', id, expectedVersion: version }] }),
    )
  }
}

/** `null`: for ever. */
function retentionOf({ definition }: JobRecord): Retention | null {
  const { defaults, settings } = readJobDocument(definition)
  return resolveJobSettings(defaults, settings).retention
}

/**
 * Whether it has no slot to come, and no code that would store it again. A job without a schedule is never finished: it
 * waits to be asked for.
 */
function isFinished({ nextAt, paused, definition, timeline }: JobRecord, now: number): boolean {
  const last = timeline.at(-1)?.schedule
  const isOver = nextAt === null && !isPausedAt({ paused }, now) && (last === undefined || !isNoSchedule(last))
  return isOver && isDataAlone(readJobDocument(definition))
}
