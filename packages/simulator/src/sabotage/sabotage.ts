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

/** A deliberate error in all connections to one database. The checks of the simulator must detect the error. */
export interface Sabotage {
  /** Wraps the storage, to simulate a storage that works wrongly. */
  readonly storage?: (storage: Storage) => Storage
  /** Wraps a node's connection, to simulate a wrong engine. The injected faults act between this wrapper and the storage. */
  readonly connection?: (connection: Storage) => Storage
}

/** The name of a sabotage: nodes adopt the time of each reading of their wall clocks at once, without confirmation. */
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

/** Names of all sabotages. Each sabotage shows that the checks detect a certain error. */
export const sabotageNames: readonly string[] = [...sabotages.keys()]

/** Returns the factory of the named sabotage. @throws TypeError if no sabotage has this name */
export function sabotageOf(name: string): () => Sabotage {
  const sabotage = sabotages.get(name)
  if (sabotage !== undefined) return sabotage
  throw new TypeError(`There is no sabotage "${name}". Use --sabotage with one of: ${sabotageNames.join(', ')}.`)
}
