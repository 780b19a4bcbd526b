import { systemClock } from '../../../system-clock.ts'

/** Signals that ask a process to end. */
export type ShutdownSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

/** A process that has nothing left to do ends at once. What still holds one then is a connection, or a server. */
const endsByItselfMs = 1000

/**
 * Shuts down on the first signal, and ends the process by the second at once, as it would without a handler. With
 * `endsProcess` the first one ends it too, once the shutdown is over: nothing else would, if a connection is left open.
 * A program that handles the signal itself ends when it likes. Answers what takes the handlers away again.
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
        if (endsProcess) systemClock.setTimer(endsByItselfMs, () => end(signal), { unref: true })
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

/** When this process ends by itself, whoever watches over it is to know that it has failed. A code that was set stays. */
export function endsAsFailed(): void {
  process.exitCode ??= 1
}
