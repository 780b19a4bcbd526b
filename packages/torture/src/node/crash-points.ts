import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import type { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'

const writes = ['saveJobs', 'createOccurrences', 'claim', 'settle', 'cancel', 'reap'] as const

/** A point at which a process kills itself: before or after the `count`-th call of an operation. */
export interface CrashPoint {
  readonly operation: (typeof writes)[number]
  readonly when: 'before' | 'after'
  /** Number of the call at which the process kills itself, counted from 1. */
  readonly count: number
}

// Maximum `count` of a crash point, by operation: about as many calls as a process makes in the few seconds of its life.
const mostCalls = { saveJobs: 1, createOccurrences: 6, claim: 6, settle: 12, cancel: 1, reap: 2 } as const

/** Returns a random crash point. Operations that nodes call often are more probable. */
export function randomCrashPoint(random: SeededRandom): CrashPoint {
  const operation = random.pick([...writes, 'createOccurrences', 'settle', 'settle', 'claim'] as const)
  return {
    operation,
    when: random.chance(0.5) ? 'before' : 'after',
    count: 1 + Math.floor(random.next() * mostCalls[operation]),
  }
}

/** Wraps the storage, and calls `crash` at the crash point. */
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
