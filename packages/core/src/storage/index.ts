export * from './job-record.ts'
export * from './occurrence-record.ts'
export * from './rules.ts'
export * from './storage.ts'
