import type { ChildProcess } from 'node:child_process'
import { systemClock } from '@jobistemer/core'

/** How long a child waits for the next race before it ends, in ms. */
const idleLimitMs = 5000

interface IdleChild {
  readonly child: ChildProcess
  /** It is needed again, or gone. */
  readonly end: () => void
}

const waiting: IdleChild[] = []

/** Children that have done their part and wait for another race: starting one takes longer than many a race. */
export const idleChildren = {
  /** One that waits, if there is one. From now on it keeps this process alive. */
  take(): ChildProcess | undefined {
    const idle = waiting.at(-1)
    if (idle === undefined) return undefined
    idle.end()
    idle.child.ref()
    idle.child.channel?.ref()
    return idle.child
  },

  /** It waits for a while, and does not keep this process alive. */
  put(child: ChildProcess): void {
    // Node reports the exit of a killed child later: until then no race may take it.
    const expire = (): void => {
      end()
      child.kill('SIGKILL')
    }
    const timer = systemClock.setTimer(idleLimitMs, expire, { unref: true })
    const end = (): void => {
      timer.cancel()
      child.off('exit', end)
      waiting.splice(waiting.indexOf(idle), 1)
    }
    const idle: IdleChild = { child, end }
    waiting.push(idle)
    child.once('exit', end)
    child.unref()
    child.channel?.unref()
  },
}
