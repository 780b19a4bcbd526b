import type { JobId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { Rule, Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

interface Life {
  readonly build: number
  state: 'starting' | 'up' | 'stopping' | 'gone'
  /** The index, in the history, of the event with which this incarnation of the node finished its start. */
  upAt: number
  incarnation: string | null
  /**
   * Whether the storage has lost the record of this node incarnation, and the node has not written a new record yet.
   * Nodes that start before the new record exists do not see this node.
   */
  isForgotten: boolean
  /** The node incarnations that have read the record of this node incarnation. Empty at the start of this incarnation. */
  readonly readers: Set<Life>
  /** The time of a `runDue` call's last heartbeat, in milliseconds of the simulation; `null` for other nodes. */
  calledAt: number | null
  readonly deadAfterMs: number
}

/**
 * Nodes treat a call of `runDue` as over when this time in ms has passed since its stated end. This applies even if the call's
 * heartbeat counter still grows.
 */
const callMarginMs = 5000

/** The definitions of one job, by fingerprint, and the definition in force. */
interface JobBuilds {
  /** The builds that brought each definition into force, by fingerprint. */
  readonly builds: Map<string, Set<number>>
  fingerprint: string
  /**
   * The fingerprint of the definition that a user's update replaced, if this update made the definition in force. Otherwise
   * `null`.
   */
  updates: string | null
  /** Index in the history of the event that stored the definition in force. */
  savedAt: number
}

/** Checks that an older build restores its definition only when no node with the newer definition lives. */
export class BuildModel {
  readonly violations: Violation[] = []
  readonly #lives = new Map<string, Life>()
  readonly #jobs = new Map<JobId, JobBuilds>()
  /** Deleted jobs. The model does not track which nodes have the definitions of these jobs. */
  readonly #removed = new Set<JobId>()
  /** Incarnations that a peer declared dead, rightly or wrongly. */
  readonly #lost = new Set<string | null>()
  #index = 0

  follow(event: HistoryEvent, index: number): void {
    this.#index = index
    if (event.kind === 'job.saved') this.#saved(event)
    else if (event.kind === 'peer.lost') this.#lost.add(event.incarnation)
    else if (event.kind === 'phase' && event.phase === 'shutdown') this.#checkInForce()
    else if (event.kind === 'node.starting') {
      const { build, deadAfterMs } = event
      this.#lives.set(event.life as string, {
        build,
        state: 'starting',
        upAt: index,
        incarnation: null,
        isForgotten: false,
        readers: new Set(),
        calledAt: null,
        deadAfterMs,
      })
    } else if (event.kind === 'storage.forgot-nodes') {
      for (const life of this.#lives.values()) life.isForgotten = true
    } else this.#followLife(event)
  }

  #followLife(event: HistoryEvent): void {
    const life = this.#lives.get(event.life ?? '')
    if (life === undefined) return
    if (event.kind === 'heartbeat') {
      life.incarnation = event.incarnation
      life.isForgotten = false
      for (const other of this.#lives.values()) if (other.state === 'up' && !other.isForgotten) other.readers.add(life)
      if (event.callEndsAt !== null) life.calledAt = event.mono
      // The last heartbeat of a `runDue` call has `leaving`. From then on, the call counts as stopping.
      if (event.leaving && life.state === 'up') life.state = 'stopping'
    } else if (event.kind === 'node.up') {
      life.state = 'up'
      life.upAt = this.#index
    } else if (event.kind === 'node.stopping') life.state = 'stopping'
    else if (event.kind === 'node.down' || event.kind === 'node.crashed') life.state = 'gone'
  }

  #saved({ change, head, life, setBackTo, mono }: EventOf<'job.saved'>): void {
    if (change === 'delete') this.#removed.add(head.id)
    if (this.#removed.has(head.id) || (change !== 'create' && change !== 'replace')) return
    const { id, fingerprint, definition } = head
    const updates = typeof definition.updates === 'string' ? definition.updates : null
    const job = this.#jobs.get(id) ?? { builds: new Map(), fingerprint, updates, savedAt: this.#index }
    const saver = this.#lives.get(life ?? '')
    if (setBackTo === null && updates === null) {
      if (job.builds.has(fingerprint) && fingerprint !== job.fingerprint) this.#goneBack(head.id, job, saver, mono)
      const builds = job.builds.get(fingerprint) ?? new Set()
      if (saver !== undefined) builds.add(saver.build)
      job.builds.set(fingerprint, builds)
    }
    this.#jobs.set(id, { ...job, fingerprint, updates, savedAt: this.#index })
  }

  /**
   * Called when a node restores an earlier definition. Reports a violation if another living node has the replaced definition.
   *
   * Ignores these nodes:
   * - nodes that came up after the replaced definition had come into force
   * - nodes that a peer has declared dead
   * - nodes whose record the storage has lost, unless the restoring node has read this record before
   * - calls of `runDue` without a recent heartbeat, such as frozen calls, because other nodes may have removed their records
   */
  #goneBack(id: JobId, job: JobBuilds, saver: Life | undefined, now: number): void {
    for (const [name, life] of this.#lives) {
      const { state, upAt, incarnation, build, isForgotten, readers } = life
      // The restoring node may have read the record of this node before the storage lost the record. Then the restoring node
      // still considers this node alive.
      const isUnknown = isForgotten && (saver === undefined || !readers.has(saver))
      const isSilentCall = life.calledAt !== null && now - life.calledAt > Math.min(life.deadAfterMs, callMarginMs)
      if (life === saver || state !== 'up' || isUnknown || isSilentCall) continue
      if (upAt > job.savedAt || this.#lost.has(incarnation)) continue
      if (hasInForce(job, build))
        this.#note('flip back', id, `an earlier definition is back, and ${name} has the other one`)
    }
  }

  #checkInForce(): void {
    const living = [...this.#lives.values()].filter(({ state }) => state !== 'gone')
    const [build, ...others] = new Set(living.map((life) => life.build))
    if (build === undefined || others.length > 0) return
    for (const [id, job] of this.#jobs) {
      const isKnown = [...job.builds.values()].some((builds) => builds.has(build))
      if (isKnown && !this.#removed.has(id) && !hasInForce(job, build)) {
        this.#note('in force', id, `only nodes of build ${build} live, but the definition of another build is in force`)
      }
    }
  }

  #note(rule: Rule, jobId: JobId, message: string): void {
    this.violations.push({ rule, message, jobId, occurrence: null, event: this.#index })
  }
}

/** Returns whether a build has the definition in force, or the definition that a user's update replaced. */
function hasInForce({ builds, fingerprint, updates }: JobBuilds, build: number): boolean {
  const isOf = (one: string | null) => one !== null && builds.get(one)?.has(build) === true
  return isOf(fingerprint) || isOf(updates)
}
