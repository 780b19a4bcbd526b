export { inspectPostgres, type PostgresInspection, type VacuumHolder } from './inspect-postgres.ts'
export { type PostgresMigrationsOptions, postgresMigrations } from './migrations.ts'
export type {
  PostgresClient,
  PostgresConnection,
  PostgresPool,
  PostgresResult,
  PostgresStorageOptions,
} from './options.ts'
export { postgresStorage } from './postgres-ledger.ts'
