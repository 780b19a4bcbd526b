import { once } from 'node:events'
import type { CompressProgress } from './backup-tasks.ts'

/**
 * Makes the crash of the demo hit the middle of a task on every machine, because a compression may end before a signal
 * arrives. Half-way through the first attempt at the given slot, it reports that and waits.
 */
export function crashDrill(options: {
  /** The slot in epoch milliseconds; `null`: not known yet. */
  readonly slotMs: () => number | null
  readonly onStandingStill: (progress: CompressProgress) => void
}): (progress: CompressProgress) => Promise<void> {
  return async (progress) => {
    const { context, doneBytes, totalBytes } = progress
    const asked = context.scheduledAt.getTime() === options.slotMs() && context.attempt === 1
    if (!asked || doneBytes < totalBytes / 2) return
    options.onStandingStill(progress)
    // The demo can also be stopped before it kills the node. The handler then reacts to its abort signal.
    if (!context.signal.aborted) await once(context.signal, 'abort')
    context.signal.throwIfAborted()
  }
}
