import type { JobId } from '@jobistemer/core'
import type { HistoryRemoval } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { uuidOf, uuidOrNull } from './ids.ts'
import { numberOf, numberOrNull, plainArray } from './sql.ts'

/** Removes finished occurrences and raises the prune floor of their job in the same transaction. */
export async function removeHistory(
  database: Database,
  schema: string,
  { jobId, occurrences, floor }: HistoryRemoval,
): Promise<number | null> {
  const job = uuidOrNull(jobId)
  if (job === null) return null
  return await database.transaction(async (session) => {
    // The next instant may have moved on since the caller looked; the row is locked by this.
    const raised = await session.query(
      `UPDATE ${schema}.heads SET revision = revision + 1, prune_floor = greatest(prune_floor, $2::text::bigint)
       WHERE id = $1::text::uuid AND (next_at IS NULL OR next_at > $2::text::bigint) RETURNING id`,
      [job, String(floor)],
    )
    if (raised.length === 0) return null
    const [gone] = await session.query(
      `WITH gone AS (DELETE FROM ${schema}.history WHERE id = ANY ($1::text::uuid[]) AND job = $2::text::uuid RETURNING id)
       SELECT count(*) AS count FROM gone`,
      [plainArray(occurrences.map(({ id }) => uuidOf(id))), job],
    )
    return numberOf(gone?.count)
  })
}

/** Drops versions that nothing refers to, and an old tombstone that has no occurrences left. */
export async function forget(database: Database, schema: string, jobId: JobId, before: number): Promise<void> {
  const job = uuidOrNull(jobId)
  if (job === null) return
  const [found] = await database.query(
    `SELECT h.deleted_at, EXISTS (SELECT FROM ${schema}.versions v WHERE v.job = h.id AND v.superseded) AS has_old
     FROM ${schema}.heads h WHERE h.id = $1::text::uuid`,
    [job],
  )
  if (found === undefined) return
  const deletedAt = numberOrNull(found.deleted_at)
  if (deletedAt !== null && deletedAt < before) {
    const isGone = await database.transaction(async (session) => {
      const removed = await session.query(
        `DELETE FROM ${schema}.heads h WHERE h.id = $1::text::uuid AND h.deleted_at < $2::text::bigint
           AND h.pending = 0 AND h.queued = 0 AND h.running = 0
           AND NOT EXISTS (SELECT FROM ${schema}.history y WHERE y.job = h.id) RETURNING id`,
        [job, String(before)],
      )
      if (removed.length === 0) return false
      await session.query(`DELETE FROM ${schema}.jobs WHERE id = $1::text::uuid`, [job])
      await session.query(`DELETE FROM ${schema}.versions WHERE job = $1::text::uuid`, [job])
      return true
    })
    if (isGone) return
  }
  if (found.has_old !== true) return
  await database.transaction(async (session) => {
    // Nothing of the job changes meanwhile, and no occurrence of an old version is created any more.
    await session.query(`SELECT FROM ${schema}.heads WHERE id = $1::text::uuid FOR UPDATE`, [job])
    await session.query(
      `DELETE FROM ${schema}.versions v WHERE v.job = $1::text::uuid AND v.superseded
         AND NOT EXISTS (SELECT FROM ${schema}.live l WHERE l.job = v.job AND l.job_version = v.version)
         AND NOT EXISTS (SELECT FROM ${schema}.history y WHERE y.job = v.job AND y.job_version = v.version)`,
      [job],
    )
  })
}
