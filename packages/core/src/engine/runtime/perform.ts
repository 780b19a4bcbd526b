import type { Clock } from '../../clock.ts'
import type { OwnContext } from './own-context.ts'

/**
 * Calls a handler or hook of the user in the engine's own async context. A virtual clock waits for the call.
 */
export function perform<T>({ clock, context }: { clock: Clock; context: OwnContext }, call: () => T): T {
  return context.run(clock.perform === undefined ? call : () => performOn(clock, call))
}

/** Calls code of the user in the caller's async context. A virtual clock waits for the call. */
export function performOn<T>(clock: Pick<Clock, 'perform'>, call: () => T): T {
  return clock.perform === undefined ? call() : clock.perform(call)
}
