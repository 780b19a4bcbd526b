import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import { ClockHolds } from './clock-holds.ts'
import type { Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

// A starting node compares its clock with the storage's clock. If the clocks differ by at most this time, in ms, the node
// adopts the storage's time.
const agreeAtStartMs = 5000

/** What the clock model knows about one incarnation of a node. */
interface Life {
  /** The times that the clock of this node incarnation has shown. */
  readonly holds: ClockHolds
  isStarting: boolean
  wallOffsetMs: number
}

/**
 * Checks that nodes create slots, claim occurrences and decide missed slots only by times that they may adopt. Ignores
 * times behind the true time, which do no harm.
 */
export class ClockModel {
  readonly violations: Violation[] = []
  readonly #lives = new Map<string, Life>()
  #world: EventOf<'clocks'> | null = null
  #storageOffsetMs = 0
  /** Monotonic time since which no node could read the storage's clock; `null` while nodes can read it. */
  #awaySince: number | null = null
  #index = 0

  follow(event: HistoryEvent, index: number): void {
    this.#index = index
    switch (event.kind) {
      case 'clocks':
        this.#world = event
        return
      case 'storage.clock-stepped':
        this.#storageOffsetMs = event.offsetMs
        if (this.#awaySince === null) this.#storageShows(event.mono, 0)
        return
      case 'storage.away':
        this.#awaySince = event.mono
        if (this.#world?.hasClock === true) for (const { holds } of this.#lives.values()) holds.hide(event.mono)
        return
      case 'storage.back':
        this.#storageShows(event.mono, event.mono - (this.#awaySince ?? event.mono))
        this.#awaySince = null
        return
      case 'node.starting':
        if (event.life !== null) this.#lives.set(event.life, this.#newLife(event.mono))
        return
      case 'node.clock-stepped':
        this.#nodeStepped(event)
        return
      case 'node.up':
        this.#up(event)
        return
      case 'job.saved':
        // The creation of a new job, with version 1, counts as a decision about the slots up to the watermark. A deleted job
        // that is created again keeps its watermark, and has a higher version. So its creation decides about no slots.
        if (event.change === 'create' && event.head.version === 1)
          this.#decided(event, event.head.id, event.head.watermark)
        return
      case 'created': {
        const { item, now } = event
        this.#told(event, item.jobId, item.id, now)
        if (item.kind === 'slot') this.#decided(event, item.jobId, item.scheduledAt, item.id)
        return
      }
      case 'recovered':
        this.#told(event, event.jobId, null, event.now)
        this.#decided(event, event.jobId, event.watermark)
        return
      case 'claimed':
      case 'reaped':
        this.#told(event, event.jobId, event.id, event.now)
        return
      case 'overdue.sought':
        this.#check(event, {
          jobId: null,
          id: null,
          what: 'it scanned for overdue work by',
          at: event.deadlineBefore,
        })
    }
  }

  #newLife(mono: number): Life {
    const { hasClock, uncertaintyMs } = this.#world ?? { hasClock: false, uncertaintyMs: 0 }
    // Only readings of a storage's clock are uncertain, because an answer of the storage takes time to arrive.
    const holds = new ClockHolds(hasClock ? uncertaintyMs : 0)
    if (hasClock) holds.show(this.#storageOffsetMs, mono)
    return { holds, isStarting: true, wallOffsetMs: 0 }
  }

  #storageShows(mono: number, hiddenMs: number): void {
    if (this.#world?.hasClock !== true) return
    for (const life of this.#lives.values()) {
      life.holds.show(this.#storageOffsetMs, mono, hiddenMs)
      this.#compareAtStart(life)
    }
  }

  #nodeStepped({ life: name, offsetMs, mono }: EventOf<'node.clock-stepped'>): void {
    const life = this.#lives.get(name ?? '')
    if (life === undefined) return
    life.wallOffsetMs = offsetMs
    if (this.#world?.hasClock !== true) life.holds.show(offsetMs, mono)
    this.#compareAtStart(life)
  }

  #up({ life: name, mono }: EventOf<'node.up'>): void {
    const life = this.#lives.get(name ?? '')
    if (life === undefined) return
    life.isStarting = false
    life.holds.mostAhead(mono)
  }

  /** Lets a node adopt the time of its own clock at its start, or the storage's time if both clocks agree. */
  #compareAtStart({ holds, isStarting, wallOffsetMs }: Life): void {
    if (!isStarting) return
    const { hasClock = false, uncertaintyMs = 0 } = this.#world ?? {}
    if (!hasClock) holds.believe(wallOffsetMs)
    else if (Math.abs(this.#storageOffsetMs - wallOffsetMs) <= agreeAtStartMs + uncertaintyMs) {
      holds.believe(this.#storageOffsetMs)
    }
  }

  #told(event: HistoryEvent, jobId: JobId, id: OccurrenceId | null, at: number): void {
    this.#check(event, { jobId, id, what: `its ${event.kind} is by`, at })
  }

  #decided(event: HistoryEvent, jobId: JobId, watermark: number, id: OccurrenceId | null = null): void {
    this.#check(event, { jobId, id, what: 'its slots are decided up to', at: watermark })
  }

  #check(
    { life: name, mono }: HistoryEvent,
    told: {
      readonly jobId: JobId | null
      readonly id: OccurrenceId | null
      readonly what: string
      readonly at: number
    },
  ): void {
    const life = this.#lives.get(name ?? '')
    if (life === undefined || this.#world === null) return
    const { jobId, id: occurrence, what, at } = told
    const aheadMs = at - this.#world.startMs - mono
    const mostMs = life.holds.mostAhead(mono)
    // If `mostMs` is `null`, the node may not adopt any time yet. But an outage may have hidden the wrong clock from the node,
    // so that it has read only true times. So a time that is not ahead of the true time is no violation.
    if (aheadMs <= (mostMs ?? 0)) return
    const allowed = mostMs === null ? 'may not adopt the time of any clock yet' : `may be ahead by ${mostMs} ms`
    const message = `${what} ${new Date(at).toISOString()}, ${aheadMs} ms ahead of the truth: ${name} ${allowed}`
    this.violations.push({ rule: 'clock', message, jobId, occurrence, event: this.#index })
  }
}
