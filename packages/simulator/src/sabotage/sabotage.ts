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
  /** Changes the behavior of the storage. */
  readonly storage?: (storage: Storage) => Storage
  /** Changes what the engine sees of its connection, after the faults. Simulates a wrong engine. */
  readonly connection?: (connection: Storage) => Storage
}

/** Leaves the storage intact: nodes follow every reading of their wall clocks at once. */
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

/** Names of all sabotages of the storage or of the nodes' clocks. They show that the checks find such errors. */
export const sabotageNames: readonly string[] = [...sabotages.keys()]

/** @throws TypeError if no sabotage has this name */
export function sabotageOf(name: string): () => Sabotage {
  const sabotage = sabotages.get(name)
  if (sabotage !== undefined) return sabotage
  throw new TypeError(`There is no sabotage "${name}". Use --sabotage with one of: ${sabotageNames.join(', ')}.`)
}
