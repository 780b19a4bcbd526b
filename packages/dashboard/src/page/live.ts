import { base } from './base.ts'
import { after } from './browser-clock.ts'
import { Store } from './store.ts'

export type ChangeKind = 'start' | 'jobs' | 'runs' | 'failures' | 'nodes' | 'away' | 'back'

/** The state of the page's connection to the server. The page is up to date only in the state `live`. */
export interface Connection {
  readonly state: 'live' | 'connecting' | 'unreachable' | 'away'
}

export const connection = new Store<Connection>({ state: 'connecting' })

const retryMs = 4000

const listeners = new Set<(kinds: ReadonlySet<ChangeKind>) => void>()

export function onChange(listener: (kinds: ReadonlySet<ChangeKind>) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/**
 * Receives change events from the server while the page is visible. A hidden page disconnects, because browsers allow only few
 * connections to one server. After a reconnect, the page reads everything again.
 */
export function follow(): void {
  let source: EventSource | null = null
  /** Cancels the timer after which the server counts as unreachable; `null`: no timer is set. */
  let cancelTimer: (() => void) | null = null
  const stopTimer = (): void => {
    cancelTimer?.()
    cancelTimer = null
  }
  const close = (): void => {
    stopTimer()
    source?.close()
    source = null
  }
  const connect = (): void => {
    close()
    if (document.hidden) return
    const opened = new EventSource(`${base}/api/changes`)
    source = opened
    opened.addEventListener('open', () => {
      stopTimer()
      connection.value = { state: 'live' }
    })
    opened.addEventListener('error', () => {
      if (connection.value.state === 'live') connection.value = { state: 'connecting' }
      // The browser reports an error for each of its attempts, which may follow faster than this time passes.
      cancelTimer ??= after(retryMs, () => {
        cancelTimer = null
        connection.value = { state: 'unreachable' }
        // After a refused request, the browser does not reconnect by itself. So the page connects again, because the user may
        // have signed in again, or the server may have recovered.
        if (opened.readyState === EventSource.CLOSED) connect()
      })
    })
    opened.addEventListener('message', ({ data }) => take(JSON.parse(data)))
  }
  document.addEventListener('visibilitychange', connect)
  connect()
}

function take(change: { readonly kinds: readonly ChangeKind[] }): void {
  const kinds = new Set(change.kinds)
  if (kinds.has('away')) connection.value = { state: 'away' }
  else if (connection.value.state !== 'live') connection.value = { state: 'live' }
  for (const listener of [...listeners]) listener(kinds)
}
