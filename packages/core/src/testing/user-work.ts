import { AsyncLocalStorage } from 'node:async_hooks'

/** A call of a handler or a hook that has not ended. */
interface Work {
  readonly owner: UserWork
  /**
   * The nearest handler or hook of another virtual clock in which this call was made; `undefined` without one. For example, a
   * handler may run a second scheduler with a separate clock.
   */
  readonly caller: Work | undefined
  /** Number of waits for the virtual clock that the work has begun and not yet ended. */
  waits: number
  /**
   * True if the work has shown no activity for longer than the patience. The clock does not wait for such work until it shows
   * activity.
   */
  isGivenUp: boolean
}

/**
 * The call of a handler or a hook to which the present code belongs. All clocks share one AsyncLocalStorage, because each
 * further AsyncLocalStorage slows down every promise of the process.
 */
const current = new AsyncLocalStorage<Work>()

/**
 * The active handlers and hooks of one clock. Virtual time can pass while all of them wait for the virtual clock. Other work
 * may wait for real events, so virtual time stands still until such work ends, or until the clock no longer waits for it.
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

  /** Lets virtual time move although handlers or hooks run, until they show activity. */
  giveUp(): void {
    for (const work of this.#underWay) if (work.waits === 0) work.isGivenUp = true
  }

  /** Calls a handler or a hook, and tracks the returned promise until it settles. */
  perform<T>(call: () => T): T {
    const caller = nearest((one) => one.owner !== this)
    const work: Work = { owner: this, caller, waits: 0, isGivenUp: false }
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

  /** Marks the calling work as waiting for the clock. The returned function ends the wait. */
  beginWait(): () => void {
    const work = nearest(({ owner }) => owner === this)
    if (work === undefined) return nothing
    work.waits++
    this.#onChange()
    return () => {
      work.waits--
      work.isGivenUp = false
      this.#onChange()
    }
  }
}

/** Returns the first work that `fits` accepts: the calling work, or else the nearest of its callers. */
function nearest(fits: (work: Work) => boolean): Work | undefined {
  let work = current.getStore()
  while (work !== undefined && !fits(work)) work = work.caller
  return work
}

function nothing(): void {}
