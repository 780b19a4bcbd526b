import { once } from 'node:events'
import type { CompressProgress } from './backup-tasks.ts'

/**
 * Makes the kill in the demo hit the middle of a task on every machine. Without this function, a compression may end
 * before the kill signal arrives. Half-way through the first attempt at the given slot, the handler reports its
 * position and waits.
 */
export function crashDrill(options: {
  /** Returns the slot in whose first attempt the handler waits, in epoch milliseconds; `null` while the slot is not known. */
  readonly slotMs: () => number | null
  readonly onStandingStill: (progress: CompressProgress) => void
}): (progress: CompressProgress) => Promise<void> {
  return async (progress) => {
    const { context, doneBytes, totalBytes } = progress
    const asked = context.scheduledAt.getTime() === options.slotMs() && context.attempt === 1
    if (!asked || doneBytes < totalBytes / 2) return
    options.onStandingStill(progress)
    // The user may stop the demo before the demo kills the node. The handler then reacts to its abort signal.
    if (!context.signal.aborted) await once(context.signal, 'abort')
    context.signal.throwIfAborted()
  }
}
