import type { HistoryEvent } from '../history/history.ts'
import type { Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

interface Life {
  readonly name: string
  readonly deadAfterMs: number
  /**
   * Whether the node incarnation is a call of `runDue`. Another node may remove the call's node record after the call's stated
   * end, by the clock of that other node.
   */
  isCall: boolean
  /** Whether the process of this node incarnation has ended or is about to end. */
  isEnding: boolean
  /** Current faults that hide this incarnation's heartbeats from its peers: a freeze or a partition. */
  readonly hindrances: Set<string>
  /** Whether no heartbeat has arrived since the last fault that hid heartbeats. */
  isUnheard: boolean
  /** Monotonic time until which a fault hid this incarnation's heartbeats from its peers. */
  hinderedUntil: number
  /**
   * Whether a peer has rightly declared the node dead. The peer may have removed the node record, so later observers find
   * no record.
   */
  isTakenAway: boolean
}

/** Maximum delay of a slow or late storage call in ms. The delay applies once to the request and once to the answer. */
const longestWayMs = 8000

/** Faults that do not delay a heartbeat. */
const harmless: readonly string[] = ['away', 'doubled', 'lost wake-up']

/**
 * Checks each declaration that a peer is dead. The declaration is a violation if the peer's process runs and no fault has
 * delayed the peer's heartbeats. An outage of the storage for all nodes does not excuse the declaration.
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
    // A peer has rightly declared this node dead. The peer may have read the node records just before this heartbeat, so it
    // does not know of the heartbeat. So the checker regards all heartbeats of the node until now as hidden from the peers.
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
    const message = `${observer} declared ${lost.name} dead after ${silentForMs} ms, although it ran all the time`
    this.violations.push({ rule: 'false death', message, jobId: null, occurrence: null, event: index })
  }
}
