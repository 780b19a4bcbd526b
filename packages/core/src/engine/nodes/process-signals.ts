/** Signals that ask a process to end. */
export type ShutdownSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/**
 * Shuts down on the first signal, and ends the process by the second at once, as it would without a handler.
 * Answers what takes the handlers away again.
 */
export function onShutdownSignals(signals: readonly ShutdownSignal[], shutdown: () => Promise<void>): () => void {
  const remove = () => {
    for (const signal of signals) process.off(signal, handle)
  }
  let asked = false
  const handle = (signal: NodeJS.Signals) => {
    if (!asked) {
      asked = true
      void shutdown().finally(remove)
      return
    }
    remove()
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, handle)
  return remove
}
