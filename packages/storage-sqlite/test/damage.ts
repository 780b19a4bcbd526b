import type { DamagedText } from '@jobistemer/storage-conformance'
import Database from 'better-sqlite3'
import { keyOf } from '../src/occurrence-row.ts'

/** Overwrites a stored text directly in the tables. */
export async function damage(file: string, prefix: string, damaged: DamagedText): Promise<void> {
  const database = new Database(file)
  try {
    if (damaged.part === 'definition') {
      const key = Buffer.from(damaged.job.slice('job_'.length).replaceAll('-', ''), 'hex')
      database
        .prepare(
          `UPDATE ${prefix}versions SET definition = ? WHERE version = ?
             AND job = (SELECT row FROM ${prefix}jobs WHERE key = ?)`,
        )
        .run(damaged.text, damaged.version, key)
      return
    }
    for (const table of ['running', 'waiting', 'history']) {
      database
        .prepare(`UPDATE ${prefix}${table} SET details = ? WHERE id = ?`)
        .run(damaged.text, keyOf(damaged.occurrence.id))
    }
  } finally {
    database.close()
  }
}
