export { type CliConfig, defineConfig } from './config.ts'
export { exitCodes } from './exit-codes.ts'
export { fromCroner, fromNodeCron, type ScheduleEntry } from './import/in-code.ts'
export type {
  CutOverContext,
  Difference,
  ImportContext,
  ImportedJob,
  ImportedRequest,
  ImportNotes,
  ImportRules,
  ImportSource,
} from './import/import-source.ts'
export type { OffsetChange } from './import/offset-changes.ts'
export type { Input, Io, Output } from './io.ts'
export { main } from './main.ts'
