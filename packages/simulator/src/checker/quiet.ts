import type { HistoryEvent } from '../history/history.ts'

/**
 * Maximum delay of a slow or late storage call in ms. The delay can apply twice to one call: to the request, and to the
 * answer.
 */
const longestWayMs = 8000

/** Tracks the time since the last fault of a simulated cluster, and since the last start or stop of a node. */
export class Quiet {
  /** Monotonic time of the last fault, and of the last start or stop of a node. */
  since: number = 0
  /** Whether any clock was ever wrong. Nodes delay work while their time is in doubt. */
  isTimeInDoubt: boolean = false
  readonly #ignoresOutages: boolean

  constructor({ ignoresOutages = false }: { readonly ignoresOutages?: boolean } = {}) {
    this.#ignoresOutages = ignoresOutages
  }

  follow(event: HistoryEvent): void {
    switch (event.kind) {
      case 'fault':
        if (event.fault === 'lost wake-up' || (this.#ignoresOutages && event.fault === 'away')) return
        this.#broken(event.mono + 2 * longestWayMs)
        return
      case 'node.clock-stepped':
      case 'storage.clock-stepped':
        if (event.offsetMs === 0) return
        this.isTimeInDoubt = true
        return
      case 'node.clock-misread':
        this.isTimeInDoubt = true
        return
      case 'node.starting':
      case 'node.up':
      case 'node.stopping':
      case 'node.down':
      case 'node.crashed':
      case 'node.frozen':
      case 'node.thawed':
      case 'node.cut-off':
      case 'node.connected':
      case 'phase':
        this.#broken(event.mono)
        return
      case 'storage.away':
      case 'storage.back':
        if (!this.#ignoresOutages) this.#broken(event.mono)
    }
  }

  #broken(until: number): void {
    this.since = Math.max(this.since, until)
  }
}
