import type { ScriptCall } from './connection.ts'
import { script } from './script.ts'
import { beginMigrationScript, endMigrationScript, migrationScript } from './scripts/migrate.ts'
import type { StoredForm } from './stored-form.ts'

/** The operations that a migration needs from the server. */
export interface MigrationServer {
  /** Runs a script on the key of the namespace. */
  runOnNamespace(source: string, argument: string): Promise<unknown>
  /** Runs scripts on shards. */
  write(calls: readonly ScriptCall[]): Promise<readonly unknown[]>
}

/**
 * Migrates all shards to a form, step by step. Several processes may migrate at once; each step runs once. If a process
 * fails, another process continues its migration.
 */
export async function migrate(
  server: MigrationServer,
  form: StoredForm,
  { shards, from }: { readonly shards: number; readonly from: number },
): Promise<void> {
  const version = String(form.version)
  await server.runOnNamespace(beginMigrationScript, version)
  for (const { to, step } of form.migrations) {
    if (to <= from) continue
    const stepScript = script(migrationScript(step))
    for (let shard = 0; shard < shards; shard++) {
      const call = { script: stepScript, shard, shards, arguments: [to, from] }
      while (String((await server.write([call]))[0]) === 'more');
    }
  }
  await server.runOnNamespace(endMigrationScript, version)
}
