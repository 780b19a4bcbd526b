import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { Signal } from '../runtime/signal.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { type FollowReason, type OtherNodes, type OwnDefinition, reasonToFollow } from './deference.ts'
import { isOfBuild, type RegisteredJob } from './registered-job.ts'

const remedies: Readonly<Record<FollowReason, string>> = {
  lower_release: 'Deploy a build of the stored release or a higher one here too.',
  updated: 'Deploy that one here too, or bring the one of this node into force by update() or apply().',
  newer_build:
    'In a rolling deploy this is as it should be. To go back, shut down the nodes of the other build, or use update().',
}

interface FollowedJob {
  readonly job: RegisteredJob
  readonly own: OwnDefinition
  readonly record: JobRecord
  /** What was said of this version. */
  said: FollowReason | null
  /** Monotonic instant before which it is followed in any case. */
  readonly until: number
}

type FollowedContext = Pick<EngineContext, 'clock' | 'events' | 'logger'>

/** Jobs of which another definition is in force than this node's own. */
export class FollowedJobs {
  /** Sent when there is one more, or another version of one. */
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
    // A storage that has lost its jobs has lost what nodes said of themselves, too: they have the time to say it again.
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

  /** As {@link returning}, after a look at who lives now. */
  async returningNow(): Promise<readonly RegisteredJob[]> {
    const jobs = this.returning()
    if (jobs.length === 0) return jobs
    await this.#others.look()
    return this.returning()
  }

  /** Those that this node has no reason to follow any more. Says of the others why it follows, if that is new. */
  returning(): readonly RegisteredJob[] {
    const jobs: RegisteredJob[] = []
    const now = this.#engine.clock.monotonic()
    for (const followed of this.#jobs.values()) {
      if (this.#reasonFor(followed) !== null || now < followed.until) continue
      // Whoever has replaced it again has a reason: two nodes must not do so in turns.
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

  /** Whoever deploys a build and sees another definition at work would look for the reason for long. */
  #say({ record: { id: jobId, name: jobName, version } }: FollowedJob, reason: FollowReason): void {
    this.#engine.events.emit('job.followed', { jobId, jobName, version, reason })
    this.#engine.logger.warn(
      { job: jobName, version, reason, remedy: remedies[reason] },
      'this node follows another definition of the job than its own',
    )
  }
}
