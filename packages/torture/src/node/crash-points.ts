import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import type { SeededRandom } from '@jobistemer/test-kit'

const writes = ['saveJobs', 'createOccurrences', 'claim', 'settle', 'cancel', 'reap'] as const

/** A named point: the `count`-th call of an operation, before the storage receives it or after the storage has answered. */
export interface CrashPoint {
  readonly operation: (typeof writes)[number]
  readonly when: 'before' | 'after'
  /** Counts from 1. */
  readonly count: number
}

// Number of calls of each operation in the few seconds that most processes live.
const mostCalls = { saveJobs: 1, createOccurrences: 6, claim: 6, settle: 12, cancel: 1, reap: 2 } as const

/** A random point, weighted towards what nodes do most. */
export function randomCrashPoint(random: SeededRandom): CrashPoint {
  const operation = random.pick([...writes, 'createOccurrences', 'settle', 'settle', 'claim'] as const)
  return {
    operation,
    when: random.chance(0.5) ? 'before' : 'after',
    count: 1 + Math.floor(random.next() * mostCalls[operation]),
  }
}

/** Wraps the storage, and calls `crash` at the point. */
export function withCrashPoint(storage: Storage, point: CrashPoint, crash: (point: string) => void): Storage {
  let calls = 0
  const name = `${point.when} ${point.operation} ${point.count}`
  return wrapStorage(storage, {
    async around(call) {
      if (call.method !== point.operation) return await call.proceed()
      const isHere = ++calls === point.count
      if (isHere && point.when === 'before') crash(name)
      const answer = await call.proceed()
      if (isHere && point.when === 'after') crash(name)
      return answer
    },
  })
}
