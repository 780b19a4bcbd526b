import type { Storage } from '@jobistemer/core/storage'
import { forgetWake, ignoreToken, splitOverlap } from '@jobistemer/test-kit'
import { deleteEarly } from './delete-early.ts'
import { dropUniqueKey } from './drop-unique-key.ts'
import { moveWatermarkBack } from './move-watermark-back.ts'
import { recoverBlindly } from './recover-blindly.ts'
import { retryFailed } from './retry-failed.ts'

/** Breaks every connection to one database in the same way. */
export type Sabotage = (storage: Storage) => Storage

/** Breaks no storage: nodes follow every reading of their wall clocks at once. */
export const followEveryReading = 'every-reading'

const sabotages: ReadonlyMap<string, () => Sabotage> = new Map([
  ['unique-key', () => dropUniqueKey],
  ['token', () => ignoreToken],
  ['overlap', () => splitOverlap],
  ['wake', () => forgetWake],
  ['early-deletion', () => deleteEarly],
  ['watermark-back', moveWatermarkBack],
  ['recovery', () => recoverBlindly],
  ['interruption', () => retryFailed],
  [followEveryReading, () => (storage) => storage],
])

/** The names of the ways in which a storage, or the clocks of the nodes, can be broken, to check that the checks find it. */
export const sabotageNames: readonly string[] = [...sabotages.keys()]

/** @throws TypeError when there is no such way */
export function sabotageOf(name: string): () => Sabotage {
  const sabotage = sabotages.get(name)
  if (sabotage !== undefined) return sabotage
  throw new TypeError(`There is no sabotage "${name}". Use --sabotage with one of: ${sabotageNames.join(', ')}.`)
}
