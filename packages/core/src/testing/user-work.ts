import { AsyncLocalStorage } from 'node:async_hooks'

/** One call of a handler or a hook that has not ended. */
interface Work {
  readonly owner: UserWork
  /** The calling work on another clock: a handler may run a scheduler on a different clock. */
  readonly caller: Work | undefined
  /** Number of waits for the virtual clock. */
  waits: number
  /** True if the work has shown no activity for too long: the clock does not wait for it until it does. */
  isGivenUp: boolean
}

/** One storage for all clocks, because each further AsyncLocalStorage slows down every promise of the process. */
const current = new AsyncLocalStorage<Work>()

/**
 * The active handlers and hooks. Work that waits for the virtual clock lets time pass. Other work may wait for real
 * events and stops virtual time until the clock gives it up.
 */
export class UserWork {
  readonly #underWay = new Set<Work>()
  readonly #onChange: () => void

  /** The class calls `onChange` when work begins or ends, and when work begins or ends a wait for the clock. */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Whether some work may wait for real events. */
  get holdsTime(): boolean {
    for (const work of this.#underWay) if (work.waits === 0 && !work.isGivenUp) return true
    return false
  }

  /** Gives up the work that stops virtual time, until it shows activity. */
  giveUp(): void {
    for (const work of this.#underWay) if (work.waits === 0) work.isGivenUp = true
  }

  /** Calls a handler or a hook, and tracks its promise to its end. */
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
        // Does not call the promise's own `then`, which may be overridden.
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

/** The innermost calling work that fits. */
function nearest(fits: (work: Work) => boolean): Work | undefined {
  let work = current.getStore()
  while (work !== undefined && !fits(work)) work = work.caller
  return work
}

function nothing(): void {}
