import type { Session } from '../wire.ts'
import { learnServerTime } from './browser-clock.ts'
import { read } from './request.ts'
import { Store } from './store.ts'

/** The user's rights, and the texts for run states. Until the session is loaded, the page offers no actions. */
export const session = new Store<Session>({ readOnly: true, now: '', states: {} })

export async function readSession(): Promise<void> {
  const found = await read<Session>('/api/session')
  learnServerTime(found.now)
  session.value = found
}
