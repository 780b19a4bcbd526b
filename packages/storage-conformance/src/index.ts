export type { EffortOptions } from './effort.ts'
export { assertLedger, checkLedger } from './ledger/check-ledger.ts'
export type { LedgerExpectations, LedgerReport, LedgerRule, LedgerViolation } from './ledger/ledger-report.ts'
export type { SkippedCase } from './skips.ts'
export { checkHistory, type HistoryRule, type HistoryViolation } from './soak/check-history.ts'
export { History, type HistoryEvent, type WritingCalls, type WritingMethod } from './soak/history.ts'
export type { CaseDepth, CaseNeed, DeclaredCapabilities, StorageCase } from './storage-case.ts'
export { storageCases } from './storage-cases.ts'
export {
  type DescribeFunction,
  storageConformance,
  type StorageConformanceOptions,
  type TestFunction,
} from './storage-conformance.ts'
export {
  type CaseWorld,
  type DamagedText,
  type ProcessEntry,
  type ServerAddress,
  type ServerEntry,
  type StorageWorld,
  type WorldTransaction,
  withWorld,
} from './storage-world.ts'
