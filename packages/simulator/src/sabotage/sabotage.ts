import type { Storage } from '@jobistemer/core/storage'
import { forgetWake, ignoreToken, onePlaceMore, oneStartMore, splitOverlap } from '@jobistemer/test-kit'
import { deleteEarly } from './delete-early.ts'
import { dropUniqueKey } from './drop-unique-key.ts'
import { forgetPriority } from './forget-priority.ts'
import { judgeByWallClock } from './judge-by-wall-clock.ts'
import { moveWatermarkBack } from './move-watermark-back.ts'
import { overlookFailedLooks } from './overlook-failed-looks.ts'
import { putEverybodyFirst } from './put-everybody-first.ts'
import { reapBlindly } from './reap-blindly.ts'
import { recoverBlindly } from './recover-blindly.ts'
import { retryFailed } from './retry-failed.ts'
import { seeNothingOverdue } from './see-nothing-overdue.ts'

/** Breaks all connections to one database in the same way. */
export interface Sabotage {
  /** What the storage does. */
  readonly storage?: (storage: Storage) => Storage
  /** What the engine makes of its connection, faults on the way included: for engines that are wrong. */
  readonly connection?: (connection: Storage) => Storage
}

/** Breaks no storage: nodes follow every reading of their wall clocks at once. */
export const followEveryReading = 'every-reading'

const sabotages: ReadonlyMap<string, () => Sabotage> = new Map([
  ['unique-key', () => ({ storage: dropUniqueKey })],
  ['token', () => ({ storage: ignoreToken })],
  ['overlap', () => ({ storage: splitOverlap })],
  ['places', () => ({ storage: onePlaceMore })],
  ['start-rate', () => ({ storage: oneStartMore })],
  ['priority', () => ({ storage: forgetPriority })],
  ['wake', () => ({ storage: forgetWake })],
  ['early-deletion', () => ({ storage: deleteEarly })],
  ['watermark-back', () => ({ storage: moveWatermarkBack() })],
  ['recovery', () => ({ storage: recoverBlindly })],
  ['interruption', () => ({ storage: retryFailed })],
  [followEveryReading, () => ({})],
  ['wall-clock-deaths', () => ({ connection: judgeByWallClock })],
  ['silence-through-outages', () => ({ connection: overlookFailedLooks })],
  ['takeover-guard', () => ({ storage: reapBlindly })],
  ['all-first', () => ({ storage: putEverybodyFirst })],
  ['blind-standby', () => ({ storage: seeNothingOverdue })],
])

/** The names of the ways in which a storage, or the clocks of the nodes, can be broken, to check that the checks find it. */
export const sabotageNames: readonly string[] = [...sabotages.keys()]

/** @throws TypeError when there is no such way */
export function sabotageOf(name: string): () => Sabotage {
  const sabotage = sabotages.get(name)
  if (sabotage !== undefined) return sabotage
  throw new TypeError(`There is no sabotage "${name}". Use --sabotage with one of: ${sabotageNames.join(', ')}.`)
}
