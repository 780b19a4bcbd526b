import { AsyncResource } from 'node:async_hooks'

/**
 * The asynchronous context that it was made in: what each `AsyncLocalStorage` held there. Timers, immediates and promises
 * inherit the context of whoever has armed them, and an engine does the work of many: without it a job would run in the
 * context of a request that came before, and whatever that holds would live on for as long as the engine does.
 */
export class OwnContext {
  readonly #made = new AsyncResource('Jobistemer')

  /** Calls in it, and answers what the call returns. */
  run<T>(call: () => T): T {
    // In a resource of its own: before Node 24 what is entered in it by `enterWith` stays with the resource.
    return this.#made.runInAsyncScope(newResource).runInAsyncScope(call)
  }
}

function newResource(): AsyncResource {
  return new AsyncResource('Jobistemer')
}
