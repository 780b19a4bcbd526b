import type { Storage } from '@jobistemer/core/storage'
import { type StorageMethod, wrapStorage } from '@jobistemer/core/testing'

export type Operation = StorageMethod

const writes: readonly Operation[] = ['saveJobs', 'createOccurrences', 'settle', 'cancel', 'reap', 'prune']

export interface Call {
  readonly operation: Operation
  readonly request: never
  /** Makes the call. */
  proceed(): Promise<unknown>
}

/** A wrapper between a scheduler and its storage. By default every call reaches the storage. */
export class InterceptedStorage {
  readonly storage: Storage
  /** Every storage call since the last reset, in order. */
  readonly calls: { readonly operation: Operation; readonly request: never }[] = []
  /** Handles each storage call. Tests replace this function. */
  intercept: (call: Call) => Promise<unknown> = (call) => call.proceed()

  constructor(target: Storage) {
    this.storage = wrapStorage(target, {
      // Schedulers in scenarios use only their virtual clock, so the storage has no clock.
      serverTime: undefined,
      around: ({ method, request, proceed }) => {
        if (method === 'serverTime') return proceed()
        const call = { operation: method, request: request as never }
        this.calls.push(call)
        return this.intercept({ ...call, proceed })
      },
    })
  }

  /** Returns the number of calls of an operation since the last reset. */
  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length
  }

  /** The number of calls that can change a job or an occurrence, except claims. */
  get writeCount(): number {
    return this.calls.filter((call) => writes.includes(call.operation)).length
  }

  /** Forgets all calls so far. */
  reset(): void {
    this.calls.length = 0
  }

  /**
   * Makes the next `times` calls of an operation fail, before or after their effect. `concerns` selects calls by their
   * request.
   */
  fail(
    operation: Operation,
    times: number,
    when: 'before its effect' | 'after its effect',
    concerns: (request: never) => boolean = () => true,
  ): void {
    let left = times
    const earlier = this.intercept
    this.intercept = async (call) => {
      if (call.operation !== operation || left === 0 || !concerns(call.request)) return earlier(call)
      left--
      if (when === 'after its effect') await call.proceed()
      throw new Error(`${operation} failed ${when}`)
    }
  }
}
