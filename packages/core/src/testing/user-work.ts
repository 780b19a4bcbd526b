import { AsyncLocalStorage } from 'node:async_hooks'

/** A call of a handler or a hook that has not ended. */
interface Work {
  readonly owner: UserWork
  /** Number of waits for the virtual clock that the work has begun and not yet ended. */
  waits: number
  /**
   * True if the work has shown no activity for longer than the patience. The clock then no longer waits for the work. The
   * next activity of the work makes the member false again.
   */
  isGivenUp: boolean
}

/**
 * The call of a handler or a hook that executes the running code. All virtual clocks share this AsyncLocalStorage, because
 * each further AsyncLocalStorage slows down every promise of the process.
 */
const current = new AsyncLocalStorage<Work>()

/**
 * The active handlers and hooks of one clock. If all of them wait for the virtual clock, virtual time can pass. An active
 * handler or hook that does not wait for the virtual clock may wait for real events. Virtual time then stands still until
 * this handler or hook ends, or until the clock gives it up.
 */
export class UserWork {
  readonly #underWay = new Set<Work>()
  readonly #onChange: () => void

  /** Calls `onChange` when work begins or ends, and when work begins or ends a wait for the clock. */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Returns whether some work may wait for real events, so that virtual time must not pass. */
  get holdsTime(): boolean {
    for (const work of this.#underWay) if (work.waits === 0 && !work.isGivenUp) return true
    return false
  }

  /**
   * Stops waiting for the active handlers and hooks that do not wait for the clock, so that virtual time can pass. After the
   * next activity of such a handler or hook, virtual time waits for it again.
   */
  giveUp(): void {
    for (const work of this.#underWay) if (work.waits === 0) work.isGivenUp = true
  }

  /** Calls a handler or a hook, and tracks the returned promise until it settles. */
  perform<T>(call: () => T): T {
    const work: Work = { owner: this, waits: 0, isGivenUp: false }
    const end = () => {
      this.#underWay.delete(work)
      this.#onChange()
    }
    this.#underWay.add(work)
    this.#onChange()
    let isUnderWay = false
    try {
      const returned = current.run(work, call)
      if (returned instanceof Promise) {
        // Do not call the promise's own `then`, which may be overridden.
        Promise.prototype.then.call(returned, end, end)
        isUnderWay = true
      }
      return returned
    } finally {
      if (!isUnderWay) end()
    }
  }

  /**
   * Marks the handler or hook that calls `beginWait` as waiting for the clock. The returned function ends the wait. Outside
   * of handlers and hooks of this clock, `beginWait` does nothing: also not in a handler of a second clock that a handler of
   * this clock has called.
   */
  beginWait(): () => void {
    const work = current.getStore()
    if (work === undefined || work.owner !== this) return () => undefined
    work.waits++
    this.#onChange()
    return () => {
      work.waits--
      work.isGivenUp = false
      this.#onChange()
    }
  }
}
