export type { SqliteDatabase, SqliteStorageOptions } from './options.ts'
export { sqliteStorage } from './sqlite-ledger.ts'
