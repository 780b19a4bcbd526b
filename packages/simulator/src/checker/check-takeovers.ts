import type { OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { StorageModel } from './check-storage.ts'
import type { OccurrenceModel } from './job-model.ts'
import type { Quiet } from './quiet.ts'
import type { Violation } from './violation.ts'

interface Life {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  state: 'starting' | 'up' | 'frozen' | 'gone'
  heardAt: number
  goneAt: number
}

/** Of the slowest heartbeat: to notice that it has gone, and to take over what it left. */
const heartbeatsToAct = 4

/** An observer of slow heartbeats waits for so many of its own. */
const leastLooks = 4

const slackMs = 2000

/** How often it is looked whether everything has been taken over. */
const everyMs = 500

/** What a dead node ran is taken over soon, unless something else goes wrong. */
export class TakeoverModel {
  readonly violations: Violation[] = []
  readonly #storage: StorageModel
  readonly #quiet: Quiet
  readonly #lives = new Map<string, Life>()
  readonly #noted = new Set<OccurrenceId>()
  #isFollowing = true
  #lookedAt = 0

  constructor(storage: StorageModel, quiet: Quiet) {
    this.#storage = storage
    this.#quiet = quiet
  }

  follow(event: HistoryEvent, index: number): void {
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
      })
    }
    if (life === undefined) return
    if (event.kind === 'heartbeat') life.heardAt = event.mono
    else if (event.kind === 'node.crashed' || event.kind === 'node.down') {
      life.state = 'gone'
      life.goneAt = event.mono
    } else if (life.state === 'gone') return
    else if (event.kind === 'node.stopping') life.state = 'starting'
    else if (event.kind === 'node.up') life.state = 'up'
    else if (event.kind === 'node.frozen' && life.state === 'up') life.state = 'frozen'
    else if (event.kind === 'node.thawed' && life.state === 'frozen') life.state = 'up'
  }

  #look(mono: number, index: number): void {
    if (this.#quiet.isTimeInDoubt) return
    const observers = [...this.#lives.values()].filter(({ state }) => state === 'up')
    if (observers.length === 0) return
    const slowestMs = Math.max(...observers.map(({ heartbeatMs }) => heartbeatMs))
    for (const job of this.#storage.jobs.values()) {
      for (const id of job.running.keys()) {
        const occurrence = this.#storage.occurrences.get(id) as OccurrenceModel
        const owner = this.#lives.get(occurrence.life ?? '')
        if (owner?.state !== 'gone' || this.#noted.has(id) || !isKnownToRun(occurrence, owner)) continue
        const deadAfterMs = Math.max(owner.deadAfterMs, leastLooks * slowestMs)
        const limitMs = deadAfterMs + heartbeatsToAct * slowestMs + slackMs
        const sinceMs = mono - Math.max(owner.goneAt, this.#quiet.since)
        if (sinceMs <= limitMs) continue
        this.#noted.add(id)
        const message = `${occurrence.life} is gone for ${mono - owner.goneAt} ms, and nobody took it over`
        this.violations.push({ rule: 'takeover', message, jobId: occurrence.jobId, occurrence: id, event: index })
      }
    }
  }
}

/** What took effect when its node had been given up already is found by its deadline alone. */
function isKnownToRun({ grantedAt }: OccurrenceModel, { heardAt, deadAfterMs, goneAt }: Life): boolean {
  return grantedAt <= goneAt && grantedAt - heardAt <= deadAfterMs
}
