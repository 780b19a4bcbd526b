import type { Clock } from '../../clock.ts'
import type { OwnContext } from './own-context.ts'

/**
 * Calls a handler or a hook of the user's: in the engine's own context, whatever has led to the call. A virtual clock may
 * have to wait for it.
 */
export function perform<T>({ clock, context }: { clock: Clock; context: OwnContext }, call: () => T): T {
  return context.run(clock.perform === undefined ? call : () => performOn(clock, call))
}

/** Calls code of the user's in the caller's own context. A virtual clock may have to wait for it. */
export function performOn<T>(clock: Pick<Clock, 'perform'>, call: () => T): T {
  return clock.perform === undefined ? call() : clock.perform(call)
}
