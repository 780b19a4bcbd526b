import type { ChildProcess } from 'node:child_process'
import { systemClock } from '@jobistemer/core'

/** Maximum time in ms that an idle child waits for the next race. */
const idleLimitMs = 5000

interface IdleChild {
  readonly child: ChildProcess
  /** Ends the child's wait, because a race uses the child again or because the child has exited. */
  readonly end: () => void
}

const waiting: IdleChild[] = []

/**
 * Child processes that have finished their part of a race and wait for another race. Starting a child takes longer than
 * most races.
 */
export const idleChildren = {
  /** Returns an idle child, which then keeps this process alive; `undefined` if no child is idle. */
  take(): ChildProcess | undefined {
    const idle = waiting.at(-1)
    if (idle === undefined) return undefined
    idle.end()
    idle.child.ref()
    idle.child.channel?.ref()
    return idle.child
  },

  /** Keeps a child for the next race, for at most 5 s. Meanwhile the child does not keep this process alive. */
  put(child: ChildProcess): void {
    // Takes the child out of the list before killing it. Node.js reports the child's exit some time after the kill, and
    // until that report no race may take the child.
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
