export { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
export { type BacklogTimes, backlogTrial } from './backlog-trial.ts'
export { Child } from './child.ts'
export { clientTrial, type TrialPlace } from './client-trial.ts'
export { type DamagePlace, damageTrial } from './damage-trial.ts'
export { type StoredFormPlace, storedForms, storedFormTrial } from './stored-form-trial.ts'
export type { HostileDatabase, HostileTransaction, MovedRow } from './hostile/hostile-database.ts'
export * from './hostile/index.ts'
export * from './sabotage/index.ts'
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
