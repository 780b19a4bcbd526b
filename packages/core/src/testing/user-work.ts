import { AsyncLocalStorage } from 'node:async_hooks'

/** One call of a handler or a hook that has not ended. */
interface Work {
  readonly owner: UserWork
  /** The work on another clock that called it: a handler may run a scheduler on a clock of its own. */
  readonly caller: Work | undefined
  /** Number of waits for the virtual clock. */
  waits: number
  /** True if the work has shown no activity for too long: the clock does not wait for it until it does. */
  isGivenUp: boolean
}

/** One for all clocks: each further one would cost something at every promise of the process, for as long as that lives. */
const current = new AsyncLocalStorage<Work>()

/**
 * Handlers and hooks that run. One that waits for the virtual clock lets time pass; any other may wait for something
 * real, and holds time still, until it is given up.
 */
export class UserWork {
  readonly #underWay = new Set<Work>()
  readonly #onChange: () => void

  /** The class calls `onChange` when work begins or ends, and when work begins or ends a wait for the clock. */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Some of it may wait for something real. */
  get holdsTime(): boolean {
    for (const work of this.#underWay) if (work.waits === 0 && !work.isGivenUp) return true
    return false
  }

  /** What holds time still does so no longer, unless it gives a sign of life. */
  giveUp(): void {
    for (const work of this.#underWay) if (work.waits === 0) work.isGivenUp = true
  }

  /** Calls a handler or a hook, and follows what it returns to its end. */
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
        // Not its own `then`, which may be anything.
        Promise.prototype.then.call(returned, end, end)
        isUnderWay = true
      }
      return returned
    } finally {
      if (!isUnderWay) end()
    }
  }

  /** The work that calls, if any does, waits for the clock from now on; call what is returned when that is over. */
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

/** Of the work that calls, the innermost one that fits. */
function nearest(fits: (work: Work) => boolean): Work | undefined {
  let work = current.getStore()
  while (work !== undefined && !fits(work)) work = work.caller
  return work
}

function nothing(): void {}
