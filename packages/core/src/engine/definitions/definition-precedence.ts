import type { JobId } from '../../ids.ts'
import type { DefinitionOrigin } from '../../job/job-content.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { type RegisteredJob, isOfBuild } from './registered-job.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { Heartbeats } from '../cluster/heartbeats.ts'
import { KnownCapabilities, codeDigestOf } from '../cluster/node-code.ts'

/**
 * Why a node follows the stored definition of a job instead of its own.
 *
 * - `lower_release`: the stored definition is from a build with a higher release.
 * - `updated`: `update` or `apply` has changed the node's own definition.
 * - `newer_build`: the stored definition has replaced the node's own, and a living node has it.
 */
export type FollowReason = 'lower_release' | 'updated' | 'newer_build'

/** Reads which definitions the living peers have, and publishes the definitions of this node to the peers. */
export class PeerDefinitions {
  readonly #heartbeats: Heartbeats
  readonly #known = new KnownCapabilities()

  constructor(heartbeats: Heartbeats) {
    this.#heartbeats = heartbeats
  }

  /** Stores this node's profile with its definitions. Resolves when other nodes can read the profile. */
  async tell(): Promise<void> {
    await this.#heartbeats.tell()
  }

  /**
   * Reads the living nodes and their definitions. Each node announces a definition before it stores it. So after a read of a
   * job's head, this read finds each living node that has the stored definition.
   */
  async look(): Promise<void> {
    await this.#heartbeats.look()
    await this.#known.learn(this.#others(), (profilesOf) => this.#heartbeats.look(profilesOf))
  }

  /** Returns whether a living peer has this definition, or may have it because its profile is unknown. */
  have(id: JobId, fingerprint: string): boolean {
    return this.#others().some((record) => this.#known.of(record)?.hasDefinition(id, fingerprint) !== false)
  }

  /** Returns the living nodes whose code differs from this node's code. */
  #others() {
    const { codeDigest, peers } = this.#heartbeats
    return peers.living().filter((record) => codeDigestOf(record) !== codeDigest)
  }
}

export type OtherNodes = Pick<PeerDefinitions, 'tell' | 'look' | 'have'>

/** A node's own definition of a job. */
export interface OwnDefinition {
  readonly fingerprint: string
  /** The release of the node's build; `undefined` for a build without a release. */
  readonly release: number | undefined
  /**
   * Whether the node has already followed another definition of this job. If so, the node does not assume that its own
   * definition is newer, even if the stored lineage lacks it.
   */
  readonly hasFollowed: boolean
}

/** Returns why a node with the definition `own` follows the stored definition; `null` if `own` has precedence. */
export function reasonToFollow(own: OwnDefinition, record: JobRecord, others: OtherNodes): FollowReason | null {
  const { release, updates } = readJobDocument(record.definition)
  const lead = own.release === undefined || release === undefined ? 0 : own.release - release
  if (lead < 0) return 'lower_release'
  // If the stored lineage does not contain a node's own definition, the node assumes that its own build is newer. The node's
  // own definition then has precedence.
  if (!own.hasFollowed && !record.lineage.includes(own.fingerprint)) return null
  if (own.fingerprint === updates) return 'updated'
  if (lead > 0) return null
  const isHeld =
    others.have(record.id, record.fingerprint) || (updates !== undefined && others.have(record.id, updates))
  return isHeld ? 'newer_build' : null
}

/**
 * Returns the origin that a change by `update`, `add` or `apply` stores:
 * - `updates`: the fingerprint of the definition that was in force before the first such change.
 * - `release`: the higher one of the stored release and `ownRelease`. Absent without a release.
 */
export function originOfUpdate(record: JobRecord, ownRelease?: number): DefinitionOrigin {
  const { release, updates = record.fingerprint } = readJobDocument(record.definition)
  const releases = [release, ownRelease].filter((one) => one !== undefined)
  return { updates, ...(releases.length > 0 && { release: Math.max(...releases) }) }
}

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
  /** The reason that this node last reported for following this version; `null` before the first report. */
  said: FollowReason | null
}

/**
 * Jobs whose stored definition this node follows instead of its own. This node puts its own definition back when no node with
 * the stored definition lives.
 */
export class OverriddenDefinitions {
  readonly #engine: EngineContext
  readonly #others: OtherNodes
  readonly #deadAfterMs: number
  readonly #jobs = new Map<JobId, FollowedJob>()
  /**
   * For each job that this node has put back: the monotonic instant until which this node does not put it back again, even if
   * another node replaces the definition. Otherwise two nodes would keep replacing each other's definitions.
   */
  readonly #followsUntil = new Map<JobId, number>()
  /** The checks of the followed jobs; `null` for a client, and until `restoreBy` is called. */
  #loop: BackgroundLoop | null = null

  constructor(engine: EngineContext, options: { readonly others: OtherNodes; readonly deadAfterMs: number }) {
    this.#engine = engine
    this.#others = options.others
    this.#deadAfterMs = options.deadAfterMs
  }

  /**
   * Lets this node put its own definitions back, by calls of `putBack`. From then on, this node checks the followed jobs once
   * per interval, and when `look` is called.
   */
  restoreBy(putBack: (jobs: readonly RegisteredJob[]) => Promise<void>, intervalMs: number): void {
    const engine = this.#engine
    const round = async () => {
      try {
        // Call `now`, because it reads the clocks, so that `isHeldBack` notices a clock jump. This node puts no definition back
        // in two cases:
        // - Its time is in doubt: the time decides when a schedule takes effect.
        // - It is isolated: it does not know which nodes live.
        engine.now()
        if (!engine.isHeldBack) await putBack(await this.returning())
      } finally {
        if (this.#jobs.size > 0) this.#loop?.runIn(intervalMs)
      }
    }
    this.#loop = new BackgroundLoop(engine, { name: 'put definitions back', round })
  }

  /** Checks the followed jobs, because the living nodes, their known definitions or the followed jobs have changed. */
  look(): void {
    if (this.#jobs.size > 0) this.#loop?.run()
  }

  /** Stops the checks of the followed jobs. */
  async stop(): Promise<void> {
    await this.#loop?.stop()
  }

  add(job: RegisteredJob, own: OwnDefinition, record: JobRecord): void {
    const known = this.#jobs.get(record.id)
    const isKnown = known?.record.createdAt === record.createdAt && known.record.version === record.version
    const followed: FollowedJob = { job, own, record, said: isKnown ? known.said : null }
    this.#jobs.set(record.id, followed)
    this.#reasonFor(followed)
    if (!isKnown) this.look()
  }

  putBack(id: JobId): void {
    this.#followsUntil.set(id, this.#engine.clock.monotonic() + this.#deadAfterMs)
  }

  delete(id: JobId): void {
    this.#jobs.delete(id)
  }

  /**
   * Returns the jobs whose stored definition this node need not follow any more. For each other job, reports the reason if
   * it has changed. First reads the living nodes and their definitions, if the answer depends on them.
   */
  async returning(): Promise<readonly RegisteredJob[]> {
    const reasons = Array.from(this.#jobs.values(), (followed) => this.#reasonFor(followed))
    if (reasons.every((reason) => reason !== null && reason !== 'newer_build')) return []
    await this.#others.look()
    const returning = [...this.#jobs.values()].filter((followed) => this.#reasonFor(followed) === null)
    const now = this.#engine.clock.monotonic()
    return returning
      .filter(({ job, record }) => isOfBuild(job) && now >= (this.#followsUntil.get(record.id) ?? now))
      .map(({ job }) => job)
  }

  /** Returns why this node follows a job's stored definition. Reports a new reason, for users who deploy a build. */
  #reasonFor(followed: FollowedJob): FollowReason | null {
    const { id: jobId, name: jobName, version } = followed.record
    const reason = reasonToFollow(followed.own, followed.record, this.#others)
    if (reason === null || reason === followed.said) return reason
    followed.said = reason
    this.#engine.events.emit('job.followed', { jobId, jobName, version, reason })
    this.#engine.logger.warn(
      { job: jobName, version, reason, remedy: remedies[reason] },
      'this node runs the job by the stored definition, which differs from its own',
    )
    return reason
  }
}
