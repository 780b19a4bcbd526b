export * from './job-record.ts'
export * from './occurrence-record.ts'
export * from './storage.ts'
