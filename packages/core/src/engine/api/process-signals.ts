import { systemClock } from '../../system-clock.ts'

/** Operating system signals that request the end of a process. */
export type ShutdownSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/**
 * Starts the shutdown on the first signal. The second signal ends the process at once, as it would without a handler.
 *
 * With `endsProcess`, the first signal also ends the process after the shutdown, because an open connection would keep the
 * process alive. If the program handles the signal itself, the process does not end. Returns a function that removes the
 * handlers.
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
        // An open connection or server would keep the process alive. So the process has 1 s to end by itself.
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

/** Sets the exit code of the process to 1, unless the program has set one. */
export function endsAsFailed(): void {
  process.exitCode ??= 1
}
