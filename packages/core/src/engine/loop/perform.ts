import type { Clock } from '../../clock.ts'

/** Calls a handler or a hook of the user's, which a virtual clock may have to wait for. */
export function perform<T>(clock: Pick<Clock, 'perform'>, call: () => T): T {
  return clock.perform === undefined ? call() : clock.perform(call)
}
