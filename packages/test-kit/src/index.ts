export { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
export { type BacklogTimes, backlogTrial } from './backlog-trial.ts'
export { Child } from './child.ts'
export { clientTrial, type TrialPlace } from './client-trial.ts'
export { type DamagePlace, damageTrial } from './damage-trial.ts'
export { type StoredFormPlace, storedForms, storedFormTrial } from './stored-form-trial.ts'
export type { HostileDatabase, HostileTransaction, MovedRow } from './hostile/hostile-database.ts'
export { addTally, type CompletionTally, emptyTally } from './hostile/completion-tally.ts'
export {
  type CompletionOutcome,
  type CompletionPlay,
  CompletionPlayers,
  type CompletionRemains,
  playCompletions,
} from './hostile/play-completions.ts'
export { completeLate } from './sabotage/complete-late.ts'
export { forgetWake } from './sabotage/forget-wake.ts'
export { ignoreToken } from './sabotage/ignore-token.ts'
export { onePlaceMore } from './sabotage/one-place-more.ts'
export { oneStartMore } from './sabotage/one-start-more.ts'
export { splitOverlap } from './sabotage/split-overlap.ts'
export { raceForSlots } from './slot-race.ts'
export {
  addJob,
  contentOf,
  finishItem,
  firstAttempt,
  minute,
  owner,
  slotAt,
  slotItem,
  start,
  succeeded,
  triggerItem,
} from './stored-job.ts'
export { WakeUpListener } from './wake-up-listener.ts'
