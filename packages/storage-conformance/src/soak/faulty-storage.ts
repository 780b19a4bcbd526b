import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { isWriting } from './history.ts'
import type { SeededRandom } from '../seeded-random.ts'

/** Thrown in place of an answer that was lost. The storage may have executed the call. */
export class LostAnswer extends Error {
  override readonly name = 'LostAnswer'
}

/** The probability of each injected fault, from 0 to 1. */
export interface FaultRates {
  /** The storage executes the call twice, and the caller receives the second answer. */
  readonly doubled: number
  /** The storage executes the call, but its answer is lost. */
  readonly lostAnswer: number
  /** The network loses the call before the storage receives it. */
  readonly lostCall: number
}

/** The current fault rates of a connection. A case sets them to `noFaults` so that every occurrence can end. */
export interface FaultSwitch {
  rates: FaultRates
}

export const noFaults: FaultRates = { doubled: 0, lostAnswer: 0, lostCall: 0 }

/**
 * Returns a connection over an unreliable network. The network executes some writing calls twice, and loses some calls or
 * answers.
 */
export function faultyStorage(storage: Storage, random: SeededRandom, faults: FaultSwitch): Storage {
  return wrapStorage(storage, {
    async around(call) {
      if (!isWriting(call.method)) return await call.proceed()
      const { doubled, lostAnswer, lostCall } = faults.rates
      const fate = random.next()
      if (fate < lostCall) throw new LostAnswer(`${call.method} did not arrive`)
      const answer = await call.proceed()
      if (fate < lostCall + lostAnswer) throw new LostAnswer(`the answer of ${call.method} did not arrive`)
      return fate < lostCall + lostAnswer + doubled ? await call.proceed() : answer
    },
  })
}
