import type { Session } from '../wire.ts'
import { learnServerTime } from './browser-clock.ts'
import { read } from './request.ts'
import { Store } from './store.ts'

/** Whom the page is for. Until it is known, nothing is offered that may be refused. */
export const session = new Store<Session>({ readOnly: true, now: '', states: {} })

export async function readSession(): Promise<void> {
  const found = await read<Session>('/api/session')
  learnServerTime(found.now)
  session.value = found
}
