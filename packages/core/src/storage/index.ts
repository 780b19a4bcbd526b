export * from './adapter-errors.ts'
/** Encodes and decodes stored records in format version 1, for adapters. */
export * as codec1 from './codec-1.ts'
export * from './job-record.ts'
export { type AsyncWriter, writesFromLedger } from './ledger/async-writes.ts'
export * from './ledger/job-ledger.ts'
export * from './ledger/ledger.ts'
export { storageFromLedger } from './ledger/ledger-storage.ts'
export type { MaybePromise } from './ledger/maybe-promise.ts'
export { NodeList } from './ledger/node-list.ts'
export { pageOf, pageOfJobs, pageOfOccurrences } from './ledger/record-queries.ts'
export { addressOf, compareAddresses } from './ledger/step-context.ts'
export * from './node-record.ts'
export * from './occurrence-record.ts'
export * from './occurrence-transitions.ts'
export * from './rules.ts'
export { maskAddress, maskSecrets } from '../secrets.ts'
export { afterThisTurn, random } from '../system-clock.ts'
export * from './storage.ts'
export { maxLineage, priorityStepMs, wokenAtOnce } from './tuning.ts'
export {
  cancelRequestOfStored,
  definitionOfStored,
  detailsOfStored,
  lineageOfStored,
  numbersOfStored,
  objectOfStored,
  parseStored,
  pauseOfStored,
  runsOfStored,
  timelineOfStored,
  unreadablePartOf,
  withRunsOfStored,
} from './unreadable.ts'
