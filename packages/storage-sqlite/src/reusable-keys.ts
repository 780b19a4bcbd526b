import type { OccurrenceId } from '@jobistemer/core'
import { namingKey, type OccurrenceRecord } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { keyOf, type OccurrenceKey } from './occurrence-row.ts'
import type { NamedTables } from './schema.ts'

/** The table that names the last occurrence of each reusable key. */
export class ReusableKeys {
  readonly #find: Database.Statement
  readonly #name: Database.Statement
  readonly #free: Database.Statement

  constructor(database: NamedTables) {
    this.#find = database.raw('SELECT scheduled_at, occurrence FROM {reusable_keys} WHERE id = ? AND job = ?')
    this.#name = database.prepare('INSERT OR REPLACE INTO {reusable_keys} VALUES (?, ?, ?, ?)')
    this.#free = database.prepare('DELETE FROM {reusable_keys} WHERE id = ? AND occurrence = ?')
  }

  find(job: number, keyId: OccurrenceId): readonly [scheduledAt: number, key: OccurrenceKey] | undefined {
    return this.#find.get(keyOf(keyId), job) as [number, OccurrenceKey] | undefined
  }

  /** If the new occurrence has a reusable key, stores it as the key's last occurrence. */
  name(job: number, record: OccurrenceRecord): void {
    const keyId = namingKey(record)
    if (keyId !== undefined) this.#name.run(keyOf(keyId), job, record.scheduledAt, keyOf(record.id))
  }

  /** Removes the entry of a reusable key if the entry names this occurrence. */
  free(keyId: OccurrenceId, occurrence: OccurrenceKey): void {
    this.#free.run(keyOf(keyId), occurrence)
  }
}
