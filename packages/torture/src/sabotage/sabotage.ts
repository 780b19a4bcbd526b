import type { Storage } from '@jobistemer/core/storage'
import {
  completeLate,
  forgetWake,
  ignoreToken,
  onePlaceMore,
  oneStartMore,
  splitOverlap,
} from '@jobistemer/test-kit/sabotage'
import { createTwice } from './create-twice.ts'

const sabotages: ReadonlyMap<string, (storage: Storage) => Storage> = new Map([
  ['ignore-token', ignoreToken],
  ['create-twice', createTwice],
  ['split-overlap', splitOverlap],
  ['forget-wake', forgetWake],
  ['complete-late', completeLate],
  ['one-place-more', onePlaceMore],
  ['one-start-more', oneStartMore],
])

/** Names of all sabotages. Each sabotage shows that the checks detect a certain error. */
export const sabotageNames: readonly string[] = [...sabotages.keys()]

/** Wraps the storage with a sabotage. @throws TypeError if no sabotage has this name */
export function sabotaged(storage: Storage, name: string): Storage {
  const sabotage = sabotages.get(name)
  if (sabotage === undefined) {
    throw new TypeError(`There is no sabotage "${name}". Use --sabotage with one of: ${sabotageNames.join(', ')}.`)
  }
  return sabotage(storage)
}
