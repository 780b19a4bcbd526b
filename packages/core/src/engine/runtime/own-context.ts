import { AsyncResource } from 'node:async_hooks'
import type { Clock } from '../../clock.ts'

/**
 * The async context in which this object was created. The engine calls handlers and hooks in this context. Otherwise a handler
 * could run in the context of an earlier request, and the engine would keep the objects of that request alive.
 */
export class OwnContext {
  readonly #made = new AsyncResource('Jobistemer')

  /** Runs `call` in the async context of this object's creation, and returns its result. */
  run<T>(call: () => T): T {
    // Before Node.js 24, `AsyncLocalStorage.enterWith` inside `call` changes the resource in which `call` runs. So each call
    // gets a new resource, and later calls do not see the changed store.
    return this.#made.runInAsyncScope(newResource).runInAsyncScope(call)
  }
}

function newResource(): AsyncResource {
  return new AsyncResource('Jobistemer')
}

/**
 * Calls a handler or hook of the user in the engine's own async context. A virtual clock waits for the call.
 */
export function runUserCode<T>({ clock, context }: { clock: Clock; context: OwnContext }, call: () => T): T {
  return context.run(clock.perform === undefined ? call : () => runUserCodeOn(clock, call))
}

/** Calls code of the user in the caller's async context. A virtual clock waits for the call. */
export function runUserCodeOn<T>(clock: Pick<Clock, 'perform'>, call: () => T): T {
  return clock.perform === undefined ? call() : clock.perform(call)
}
