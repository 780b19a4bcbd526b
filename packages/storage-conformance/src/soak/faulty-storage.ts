import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { isWriting } from './history.ts'
import type { SeededRandom } from '../seeded-random.ts'

/** The answer of a call did not arrive. The caller does not know whether the call did. */
export class LostAnswer extends Error {
  override readonly name = 'LostAnswer'
}

/** The probability of each fault, from 0 to 1. */
export interface FaultRates {
  /** The call arrives twice; the caller receives the second answer. */
  readonly doubled: number
  /** The call arrives, its answer does not. */
  readonly lostAnswer: number
  /** The call does not arrive. */
  readonly lostCall: number
}

/** Faults can be switched off, so that the remaining work comes to an end. */
export interface FaultSwitch {
  rates: FaultRates
}

export const noFaults: FaultRates = { doubled: 0, lostAnswer: 0, lostCall: 0 }

/** A connection over a bad network: writing calls get doubled and lost. */
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
