import type { OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { StorageModel } from './check-storage.ts'
import type { OccurrenceModel } from './job-model.ts'
import { Quiet } from './quiet.ts'
import type { Violation } from './violation.ts'

interface Life {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  state: 'starting' | 'up' | 'frozen' | 'gone'
  heardAt: number
  goneAt: number
  /**
   * Total time between heartbeats that the storage answered, in ms. The time between two such heartbeats counts as one
   * heartbeat interval at most.
   */
  connectedMs: number
  /** The `connectedMs` of every node incarnation at the moment when this incarnation ended. */
  connectedAtEnd: ReadonlyMap<string, number>
}

/** Time to detect a death and to take over the runs, in intervals of the slowest heartbeat. */
const heartbeatsToAct = 4

/** Minimum number of own heartbeats that an observer sends before it declares a peer dead. */
const leastLooks = 4

const slackMs = 2000

/**
 * Maximum time until a node scans for owners without a node record, in ms: the node scans each 15 s, and its storage
 * calls take time.
 */
const ownerSearchMs = 20_000

/**
 * Maximum time until a takeover if outages repeat, as a multiple of `deadAfter`. Only the time in which the storage answers the
 * observer's heartbeats counts.
 */
const connectedFactor = 2

/**
 * Maximum interval between retries of a storage call, in ms. A takeover may be late by this time, because its reap may wait for
 * the next retry.
 */
const longestPauseMs = 5000

/** Interval, in ms, at which this model checks whether a takeover is too late. */
const everyMs = 500

/** Checks that nodes take over the runs of a dead node in time. Other faults excuse a late takeover. */
export class TakeoverModel {
  readonly violations: Violation[] = []
  readonly #storage: StorageModel
  readonly #quiet: Quiet
  readonly #lives = new Map<string, Life>()
  readonly #noted = new Set<OccurrenceId>()
  /** Tracks the time since the last fault that is not an outage of the storage. */
  readonly #quietButOutages = new Quiet({ ignoresOutages: true })
  #isFollowing = true
  #lookedAt = 0
  #forgotAt = Number.NEGATIVE_INFINITY

  constructor(storage: StorageModel, quiet: Quiet) {
    this.#storage = storage
    this.#quiet = quiet
  }

  follow(event: HistoryEvent, index: number): void {
    this.#quietButOutages.follow(event)
    if (event.kind === 'storage.forgot-nodes') this.#forgotAt = event.mono
    if (event.kind === 'phase' && event.phase === 'shutdown') this.#isFollowing = false
    if (event.mono - this.#lookedAt >= everyMs) {
      this.#lookedAt = event.mono
      if (this.#isFollowing) this.#look(event.mono, index)
    }
    const life = this.#lives.get(event.life ?? '')
    if (event.kind === 'node.starting') {
      const { heartbeatMs, deadAfterMs } = event
      const never = Number.NEGATIVE_INFINITY
      this.#lives.set(event.life as string, {
        heartbeatMs,
        deadAfterMs,
        state: 'starting',
        heardAt: never,
        goneAt: never,
        connectedMs: 0,
        connectedAtEnd: new Map(),
      })
    }
    if (life === undefined) return
    if (event.kind === 'heartbeat') {
      if (Number.isFinite(life.heardAt)) life.connectedMs += Math.min(event.mono - life.heardAt, life.heartbeatMs)
      life.heardAt = event.mono
    } else if (event.kind === 'node.crashed' || event.kind === 'node.down') {
      life.state = 'gone'
      life.goneAt = event.mono
      life.connectedAtEnd = new Map([...this.#lives].map(([name, { connectedMs }]) => [name, connectedMs]))
    } else if (life.state === 'gone') return
    else if (event.kind === 'node.stopping') life.state = 'starting'
    else if (event.kind === 'node.up') life.state = 'up'
    else if (event.kind === 'node.frozen' && life.state === 'up') life.state = 'frozen'
    else if (event.kind === 'node.thawed' && life.state === 'frozen') life.state = 'up'
  }

  #look(mono: number, index: number): void {
    if (this.#quiet.isTimeInDoubt) return
    const observers = [...this.#lives.entries()].filter(([, { state }]) => state === 'up')
    if (observers.length === 0) return
    const slowestMs = Math.max(...observers.map(([, { heartbeatMs }]) => heartbeatMs))
    const longestMs = Math.max(...[...this.#lives.values()].map(({ deadAfterMs }) => deadAfterMs))
    for (const job of this.#storage.jobs.values()) {
      for (const id of job.running.keys()) {
        const occurrence = this.#storage.occurrences.get(id) as OccurrenceModel
        const owner = this.#lives.get(occurrence.life ?? '')
        if (owner?.state !== 'gone' || this.#noted.has(id) || !isKnownToRun(occurrence, owner)) continue
        // If an owner has no node record, an observer must first detect this, and cannot read the owner's `deadAfter`. So the
        // limit is higher in this case.
        const isForgotten = this.#forgotAt >= occurrence.grantedAt
        const deadAfterMs = Math.max(isForgotten ? longestMs : owner.deadAfterMs, leastLooks * slowestMs)
        const toActMs = heartbeatsToAct * slowestMs + slackMs + (isForgotten ? ownerSearchMs : 0)
        const sinceMs = mono - Math.max(owner.goneAt, this.#quiet.since)
        const isLate = sinceMs > deadAfterMs + toActMs
        const connectedLimitMs = connectedFactor * deadAfterMs + toActMs + longestPauseMs
        if (!isLate && !this.#isLateThroughOutages(observers, owner, connectedLimitMs)) continue
        this.#noted.add(id)
        const message = `${occurrence.life} ended ${mono - owner.goneAt} ms ago, and no node has taken it over`
        this.violations.push({ rule: 'takeover', message, jobId: occurrence.jobId, occurrence: id, event: index })
      }
    }
  }

  /**
   * Returns whether the takeover is too late although the only faults since the owner's end were outages.
   *
   * An observer cannot detect a death during an outage. So only the time in which the storage answers the observer's heartbeats
   * counts (`connectedMs`). The takeover is too late if an observer has had more than `limitMs` of this time since the owner's
   * end.
   */
  #isLateThroughOutages(observers: readonly (readonly [string, Life])[], owner: Life, limitMs: number): boolean {
    if (this.#quietButOutages.since > owner.goneAt) return false
    return observers.some(([name, { connectedMs }]) => {
      const before = owner.connectedAtEnd.get(name)
      return before !== undefined && connectedMs - before > limitMs
    })
  }
}

/**
 * Returns whether peers knew of the claim when its node died. If they did not, the peers find the run only by the run's
 * deadline.
 */
function isKnownToRun({ grantedAt }: OccurrenceModel, { heardAt, deadAfterMs, goneAt }: Life): boolean {
  return grantedAt <= goneAt && grantedAt - heardAt <= deadAfterMs
}
