import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { Signal } from '../runtime/signal.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { type FollowReason, type OtherNodes, type OwnDefinition, reasonToFollow } from './deference.ts'
import { isOfBuild, type RegisteredJob } from './registered-job.ts'

const remedies: Readonly<Record<FollowReason, string>> = {
  lower_release: 'Deploy a build of the stored release or a higher one here too.',
  updated:
    'Deploy the updated definition to this node too, or bring its own definition into force with update() or apply().',
  newer_build:
    'This is normal in a rolling deploy. To go back, shut down the nodes of the other build, or use update().',
}

interface FollowedJob {
  readonly job: RegisteredJob
  readonly own: OwnDefinition
  readonly record: JobRecord
  /** The reason that this node has reported for this version; `null`: none yet. */
  said: FollowReason | null
  /** Monotonic instant before which this node follows the definition in any case. */
  readonly until: number
}

type FollowedContext = Pick<EngineContext, 'clock' | 'events' | 'logger'>

/** Jobs whose stored definition overrides the definition of this node. */
export class FollowedJobs {
  /** Sent when this node follows a further job, or another version of a followed job. */
  readonly added: Signal = new Signal()
  readonly #engine: FollowedContext
  readonly #others: OtherNodes
  readonly #deadAfterMs: number
  readonly #jobs = new Map<JobId, FollowedJob>()
  /** Monotonic instants at which this node has put its definition back. */
  readonly #putBackAt = new Map<JobId, number>()

  constructor(engine: FollowedContext, options: { readonly others: OtherNodes; readonly deadAfterMs: number }) {
    this.#engine = engine
    this.#others = options.others
    this.#deadAfterMs = options.deadAfterMs
  }

  get size(): number {
    return this.#jobs.size
  }

  add(job: RegisteredJob, own: OwnDefinition, record: JobRecord): void {
    const known = this.#jobs.get(record.id)
    const isSame = known?.record.createdAt === record.createdAt
    const isKnown = isSame && known.record.version === record.version
    // A storage that has lost its jobs has also lost the profiles of nodes. The nodes get `deadAfter` to store them again.
    const isLost = known !== undefined && !isSame
    const lostAt = isLost ? this.#engine.clock.monotonic() : Number.NEGATIVE_INFINITY
    const until = Math.max(known?.until ?? 0, lostAt + this.#deadAfterMs)
    const followed: FollowedJob = { job, own, record, said: isKnown ? known.said : null, until }
    this.#jobs.set(record.id, followed)
    this.#reasonFor(followed)
    if (!isKnown) this.added.send()
  }

  putBack(id: JobId): void {
    this.#putBackAt.set(id, this.#engine.clock.monotonic())
  }

  delete(id: JobId): void {
    this.#jobs.delete(id)
  }

  /** As {@link returning}, after a fresh read of the living nodes and their definitions, if these decide. */
  async returningNow(): Promise<readonly RegisteredJob[]> {
    const reasons = Array.from(this.#jobs.values(), (followed) => this.#reasonFor(followed))
    if (reasons.every((reason) => reason !== null && reason !== 'newer_build')) return []
    await this.#others.look()
    return this.returning()
  }

  /** Returns the jobs that this node need not follow any more. Reports a new reason for each of the other jobs. */
  returning(): readonly RegisteredJob[] {
    const jobs: RegisteredJob[] = []
    const now = this.#engine.clock.monotonic()
    for (const followed of this.#jobs.values()) {
      if (this.#reasonFor(followed) !== null || now < followed.until) continue
      // If another node replaced the definition again, wait: two nodes must not keep replacing each other's definitions.
      const putBackAt = this.#putBackAt.get(followed.record.id) ?? Number.NEGATIVE_INFINITY
      if (now < putBackAt + this.#deadAfterMs) continue
      if (isOfBuild(followed.job)) jobs.push(followed.job)
    }
    return jobs
  }

  #reasonFor(followed: FollowedJob): FollowReason | null {
    const reason = reasonToFollow(followed.own, followed.record, this.#others)
    if (reason !== null && reason !== followed.said) {
      followed.said = reason
      this.#say(followed, reason)
    }
    return reason
  }

  /** Reports why this node follows the stored definition. A user who deploys a build needs to know the reason. */
  #say({ record: { id: jobId, name: jobName, version } }: FollowedJob, reason: FollowReason): void {
    this.#engine.events.emit('job.followed', { jobId, jobName, version, reason })
    this.#engine.logger.warn(
      { job: jobName, version, reason, remedy: remedies[reason] },
      'this node follows another definition of the job than its own',
    )
  }
}
