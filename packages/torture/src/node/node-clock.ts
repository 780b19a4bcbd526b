import { type Clock, systemClock, type Timer } from '@jobistemer/core'

/** The clock of a node process: the machine's clock with an offset that can be set. */
export class NodeClock implements Clock {
  offsetMs: number

  constructor(offsetMs: number) {
    this.offsetMs = offsetMs
  }

  now(): number {
    return systemClock.now() + this.offsetMs
  }

  monotonic(): number {
    return systemClock.monotonic()
  }

  setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): Timer {
    return systemClock.setTimer(delayMs, callback, options)
  }
}
