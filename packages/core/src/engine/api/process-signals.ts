import { systemClock } from '../../system-clock.ts'

/** Operating system signals that request the end of a process. */
export type ShutdownSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/**
 * Calls `shutdown` on the first signal. Returns a function that removes the signal handlers.
 *
 * - A second signal during the shutdown ends the process at once, as it would without these handlers.
 * - With `endsProcess`, the process ends at most 1 s after the shutdown, even if a connection is still open.
 * - If the program has its own handlers of the signal, `endsProcess` has no effect.
 */
export function onShutdownSignals(
  signals: readonly ShutdownSignal[],
  shutdown: () => Promise<void>,
  { endsProcess }: { readonly endsProcess: boolean },
): () => void {
  const remove = () => {
    for (const signal of signals) process.off(signal, handle)
  }
  let asked = false
  const handle = (signal: NodeJS.Signals) => {
    if (!asked) {
      asked = true
      void shutdown().finally(() => {
        remove()
        // An open connection or server may keep the process alive. So this timer ends the process if it has not ended by itself
        // after 1 s.
        if (endsProcess) systemClock.setTimer(1000, () => end(signal), { unref: true })
      })
      return
    }
    remove()
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, handle)
  return remove
}

function end(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
}
