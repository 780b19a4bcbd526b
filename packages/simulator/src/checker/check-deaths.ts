import type { HistoryEvent } from '../history/history.ts'
import type { Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

interface Life {
  readonly name: string
  readonly deadAfterMs: number
  /** It is a call of `runDue`: whoever finds its time over, by a clock that may be wrong, takes its record away. */
  isCall: boolean
  /** Its process is gone, or about to go and silent by then. */
  isEnding: boolean
  /** What keeps it from being heard at present: it is frozen, it is cut off. */
  readonly hindrances: Set<string>
  /** It has not been heard since something kept it from that: meanwhile the storage may have been away, too. */
  isUnheard: boolean
  /** Monotonic time up to which something kept it from being heard. */
  hinderedUntil: number
  /** Somebody rightly took it for dead, and may have taken its record away: whoever looks later finds it gone. */
  isTakenAway: boolean
}

/** Calls that are slow, or take effect late, take no longer each way. */
const longestWayMs = 8000

/** Faults after which a heartbeat is in time all the same. */
const harmless: readonly string[] = ['away', 'doubled', 'lost wake-up']

/**
 * Nobody is taken for dead whose process ran on all the time, and whom nothing hindered but that the storage was away
 * for everybody.
 */
export class DeathModel {
  readonly violations: Violation[] = []
  readonly #lives = new Map<string, Life>()
  readonly #byIncarnation = new Map<string, Life>()

  follow(event: HistoryEvent, index: number): void {
    const life = this.#lives.get(event.life ?? '')
    switch (event.kind) {
      case 'node.starting':
        this.#starting(event)
        return
      case 'heartbeat':
        if (life !== undefined) this.#heard(life, event)
        return
      case 'node.stopping':
      case 'node.crashed':
        if (life !== undefined) life.isEnding = true
        return
      case 'node.frozen':
      case 'node.cut-off':
        if (life === undefined) return
        life.hindrances.add(event.kind)
        life.isUnheard = true
        return
      case 'node.thawed':
      case 'node.connected':
        if (life === undefined) return
        life.hindrances.delete(event.kind === 'node.thawed' ? 'node.frozen' : 'node.cut-off')
        life.hinderedUntil = Math.max(life.hinderedUntil, event.mono)
        return
      case 'fault':
        if (life === undefined || event.operation !== 'heartbeat' || harmless.includes(event.fault)) return
        life.hinderedUntil = Math.max(life.hinderedUntil, event.mono + 2 * longestWayMs)
        return
      case 'peer.lost':
        this.#lost(event, index)
    }
  }

  #starting({ life, deadAfterMs }: EventOf<'node.starting'>): void {
    const name = life as string
    const never = Number.NEGATIVE_INFINITY
    this.#lives.set(name, {
      name,
      deadAfterMs,
      isCall: false,
      isEnding: false,
      isUnheard: false,
      hindrances: new Set(),
      hinderedUntil: never,
      isTakenAway: false,
    })
  }

  #heard(life: Life, { incarnation, mono, callEndsAt }: EventOf<'heartbeat'>): void {
    life.isCall = callEndsAt !== null
    this.#byIncarnation.set(incarnation, life)
    // Others may have looked just before.
    if (life.isTakenAway) life.hinderedUntil = Math.max(life.hinderedUntil, mono)
    life.isTakenAway = false
    if (!life.isUnheard || life.hindrances.size > 0) return
    life.isUnheard = false
    life.hinderedUntil = Math.max(life.hinderedUntil, mono)
  }

  #lost({ life: observer, incarnation, silentForMs, mono }: EventOf<'peer.lost'>, index: number): void {
    const lost = this.#byIncarnation.get(incarnation)
    if (lost === undefined || lost.isEnding || lost.isTakenAway) return
    if (lost.isCall && silentForMs < lost.deadAfterMs) return
    lost.isTakenAway = lost.isUnheard || lost.hinderedUntil >= mono - silentForMs - lost.deadAfterMs
    if (lost.isTakenAway) return
    const message = `${observer} took ${lost.name} for dead, which ran all the time, after ${silentForMs} ms`
    this.violations.push({ rule: 'false death', message, jobId: null, occurrence: null, event: index })
  }
}
