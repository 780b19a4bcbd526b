import { base } from './base.ts'
import { after } from './browser-clock.ts'
import { Store } from './store.ts'

export type ChangeKind = 'start' | 'jobs' | 'runs' | 'failures' | 'nodes' | 'away' | 'back'

/** Whether what is shown is what is so. */
export type Connection =
  | { readonly state: 'live' | 'connecting' | 'unreachable' }
  | { readonly state: 'away'; readonly message: string }

export const connection = new Store<Connection>({ state: 'connecting' })

const listeners = new Set<(kinds: ReadonlySet<ChangeKind>) => void>()

export function onChange(listener: (kinds: ReadonlySet<ChangeKind>) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Listens to what the server tells. The browser connects again by itself, and everything is read anew then. */
export function follow(): void {
  const source = new EventSource(`${base}/api/changes`)
  source.addEventListener('open', () => {
    connection.value = { state: 'live' }
  })
  source.addEventListener('error', () => {
    connection.value = { state: 'unreachable' }
    // A refusal ends it; somebody may sign in again, or the server may come back as it was.
    if (source.readyState === EventSource.CLOSED) {
      source.close()
      after(5000, follow)
    }
  })
  source.addEventListener('message', ({ data }) => {
    const change = JSON.parse(data) as { readonly kinds: readonly ChangeKind[]; readonly message?: string }
    const kinds = new Set(change.kinds)
    if (kinds.has('away')) connection.value = { state: 'away', message: change.message ?? '' }
    else if (connection.value.state !== 'live') connection.value = { state: 'live' }
    for (const listener of [...listeners]) listener(kinds)
  })
}
