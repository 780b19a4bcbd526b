import { once } from 'node:events'
import type { CompressProgress } from './backup-tasks.ts'

/**
 * Makes the crash of the demo hit the middle of a task on every machine: a compression may be over before a signal
 * arrives. Half-way through the one with the given number, it says so and does nothing more.
 */
export function crashDrill(options: {
  readonly compression: number
  readonly onStandingStill: (progress: CompressProgress) => void
}): (progress: CompressProgress) => Promise<void> {
  const seen = new Set<string>()
  return async (progress) => {
    const { context, doneBytes, totalBytes } = progress
    seen.add(context.occurrence.id)
    if (seen.size !== options.compression || doneBytes < totalBytes / 2) return
    options.onStandingStill(progress)
    // The demo can also be stopped before it kills: then the handler ends as every good handler does.
    if (!context.signal.aborted) await once(context.signal, 'abort')
    context.signal.throwIfAborted()
  }
}
