import { types } from 'node:util'
import type { Metrics } from '@jobistemer/core'

const methods = ['increment', 'observe', 'set', 'removeJob', 'gauges'] as const

/** Returns whether a value has all methods of `Metrics`. */
export function areMetrics(value: Metrics): boolean {
  if (typeof value !== 'object' || value === null) return false
  const mayEnd = value.end === undefined || typeof value.end === 'function'
  return mayEnd && methods.every((name) => typeof value[name] === 'function')
}

/**
 * Returns metrics that forward each call to both given objects. If one object fails, the other object still receives the call.
 * The caller of the returned metrics receives the error:
 * - as a rejection, if one of the objects returned a promise
 * - as a thrown error, otherwise
 */
export function bothMetrics(first: Metrics, second: Metrics): Metrics {
  function both<Name extends keyof Metrics>(name: Name): Required<Metrics>[Name] {
    const call = (...values: unknown[]): unknown => {
      const promises: Promise<unknown>[] = []
      const failures: unknown[] = []
      for (const metrics of [first, second]) {
        try {
          const method = metrics[name] as ((...values: unknown[]) => unknown) | undefined
          const answer = method?.apply(metrics, values)
          if (types.isPromise(answer)) promises.push(answer)
        } catch (error) {
          failures.push(error)
        }
      }
      if (promises.length > 0) return Promise.all([...promises, ...failures.map((error) => Promise.reject(error))])
      if (failures.length > 0) throw failures[0]
      return undefined
    }
    return call as Required<Metrics>[Name]
  }

  return {
    increment: both('increment'),
    observe: both('observe'),
    set: both('set'),
    removeJob: both('removeJob'),
    gauges: both('gauges'),
    end: both('end'),
  }
}
