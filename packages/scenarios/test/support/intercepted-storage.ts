import type { Storage } from '@jobistemer/core/storage'

/** The calls of the protocol that a scheduler waits for. */
export const operations = [
  'saveJobs',
  'createOccurrences',
  'claim',
  'settle',
  'cancel',
  'reap',
  'get',
  'listJobs',
  'listOccurrences',
  'prune',
] as const

export type Operation = (typeof operations)[number]

const writes: readonly Operation[] = ['saveJobs', 'createOccurrences', 'settle', 'cancel', 'reap', 'prune']

export interface Call {
  readonly operation: Operation
  readonly request: never
  /** Makes the call. */
  proceed(): Promise<unknown>
}

/** Stands between a scheduler and its storage. By default every call goes through. */
export class InterceptedStorage {
  readonly storage: Storage
  /** Every call that was made, in order. */
  readonly calls: { readonly operation: Operation; readonly request: never }[] = []
  /** What happens to a call. */
  intercept: (call: Call) => Promise<unknown> = (call) => call.proceed()

  constructor(target: Storage) {
    const intercepted: Record<string, unknown> = {
      specVersion: target.specVersion,
      capabilities: target.capabilities,
      close: () => target.close(),
    }
    if (target.subscribe !== undefined) intercepted.subscribe = target.subscribe.bind(target)
    for (const operation of operations) {
      const method = target[operation].bind(target) as (request: unknown) => Promise<unknown>
      intercepted[operation] = (request: never) => {
        this.calls.push({ operation, request })
        return this.intercept({ operation, request, proceed: () => method(request) })
      }
    }
    this.storage = intercepted as unknown as Storage
  }

  /** How often an operation was called. */
  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length
  }

  /** How many calls changed something; reads and polls do not count. */
  get writeCount(): number {
    return this.calls.filter((call) => writes.includes(call.operation)).length
  }

  /** Forgets the calls so far. */
  reset(): void {
    this.calls.length = 0
  }

  /** The next calls of an operation fail, with or without having taken effect; `concerns` picks among them. */
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
