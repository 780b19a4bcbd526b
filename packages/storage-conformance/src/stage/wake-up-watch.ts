import assert from 'node:assert/strict'
import { systemClock } from '@jobistemer/core'
import type { Storage, WakeUp } from '@jobistemer/core/storage'

type Kind = WakeUp['kind']

/**
 * Default timeout in ms. It is shorter than the timeout of a case, so that the case can fail with an error that names the
 * missing wake-up.
 */
const defaultLimitMs = 20_000

/** Records the wake-ups that a connection receives. */
export class WakeUpWatch {
  readonly heard: Kind[] = []
  /** Ends the subscription. */
  readonly end: () => void
  #onHeard: (kind: Kind) => void = () => {}

  constructor(storage: Storage) {
    assert.ok(storage.subscribe !== undefined, 'the storage has no `subscribe`')
    this.end = storage.subscribe(({ kind }) => {
      this.heard.push(kind)
      this.#onHeard(kind)
    })
  }

  /**
   * Calls `work`, and waits until a wake-up of this kind has arrived since the beginning of `work`. Rejects after the
   * timeout.
   */
  async hears(kind: Kind, work: () => Promise<unknown>, limitMs: number = defaultLimitMs): Promise<void> {
    const before = this.heard.length
    const arrived = new Promise<boolean>((resolve) => {
      this.#onHeard = (heard) => {
        if (heard === kind) resolve(true)
      }
    })
    await work()
    let expire = (): void => {}
    const expired = new Promise<boolean>((resolve) => {
      expire = () => resolve(false)
    })
    const timer = systemClock.setTimer(limitMs, expire)
    const isHeard = await Promise.race([arrived, expired])
    timer.cancel()
    const others = this.heard.slice(before).join(', ')
    assert.ok(isHeard, `no wake-up of the kind '${kind}' came within ${limitMs / 1000} s; heard: [${others}]`)
  }
}
