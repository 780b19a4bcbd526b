import { once } from 'node:events'
import type { CompressProgress } from './backup-tasks.ts'

/**
 * Stops the handler half-way through the first attempt at the given slot. The demo can then kill the node that runs this
 * attempt.
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
    // If the user stops the demo before the kill, the handler's signal is aborted. The handler then throws the reason
    // of its signal.
    if (!context.signal.aborted) await once(context.signal, 'abort')
    context.signal.throwIfAborted()
  }
}
