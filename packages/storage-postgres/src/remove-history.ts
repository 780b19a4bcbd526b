import type { JobId } from '@jobistemer/core'
import type { HistoryRemoval } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { uuidOf, uuidOrNull } from './ids.ts'
import { anyOf, eachOf, locksAreLimited, numberOf, numberOrNull, oneOf, plainArray } from './sql.ts'

/** Removes finished occurrences, and raises the job's prune floor in the same transaction. */
export async function removeHistory(
  database: Database,
  schema: string,
  { jobId, occurrences, keys, floor }: HistoryRemoval,
): Promise<number | null> {
  const job = uuidOrNull(jobId)
  if (job === null) return null
  return await database.transaction(async (session) => {
    // Locks the head and checks the next instant again, because another step may have changed it since the caller read the
    // head.
    const raised = await session.query(
      `UPDATE ${schema}.heads SET revision = revision + 1, prune_floor = greatest(prune_floor, $2::text::bigint)
       WHERE id = $1::text::uuid AND (next_at IS NULL OR next_at > $2::text::bigint)
         AND ${locksAreLimited('$3::text')} RETURNING id`,
      [job, String(floor), database.lockLimit],
    )
    if (raised.length === 0) return null
    const [gone] = await session.query(
      // Finished occurrences do not change, so a row in the history keeps its ctid (its place in the table). So the ctid that
      // the first part of this statement finds leads the second part to the same row.
      `WITH found AS (${eachOf('$1', `SELECT y.ctid AS place, y.job FROM ${schema}.history y WHERE y.id = n.id`)}),
       gone AS (
         DELETE FROM ${schema}.history WHERE ctid = ANY (ARRAY(SELECT place FROM found WHERE job = $2::text::uuid)) RETURNING id
       ) SELECT count(*) AS count FROM gone`,
      [plainArray(occurrences.map(({ id }) => uuidOf(id))), job],
    )
    if (keys.length > 0) {
      await session.query(
        `DELETE FROM ${schema}.reusable_keys k USING unnest($1::text::uuid[], $2::text::uuid[]) n (id, occurrence)
         WHERE k.id = ${oneOf('n.id')} AND k.occurrence = n.occurrence`,
        [
          plainArray(keys.map(({ keyId }) => uuidOf(keyId))),
          plainArray(keys.map(({ occurrence }) => uuidOf(occurrence.id))),
        ],
      )
    }
    return numberOf(gone?.count)
  })
}

/** Removes versions that no occurrence uses, and an old tombstone without occurrences. */
export async function forget(database: Database, schema: string, jobId: JobId, before: number): Promise<void> {
  const job = uuidOrNull(jobId)
  if (job === null) return
  const [found] = await database.query(`SELECT deleted_at FROM ${schema}.heads WHERE id = $1::text::uuid`, [job])
  if (found === undefined) return
  const deletedAt = numberOrNull(found.deleted_at)
  if (deletedAt !== null && deletedAt < before) {
    const isGone = await database.transaction(async (session) => {
      const removed = await session.query(
        `DELETE FROM ${schema}.heads h WHERE h.id = $1::text::uuid AND h.deleted_at < $2::text::bigint
           AND h.pending = 0 AND h.queued = 0 AND h.running = 0
           AND NOT EXISTS (SELECT FROM ${schema}.history y WHERE y.job = h.id)
           AND ${locksAreLimited('$3::text')} RETURNING id`,
        [job, String(before), database.lockLimit],
      )
      if (removed.length === 0) return false
      await session.query(`DELETE FROM ${schema}.jobs WHERE id = $1::text::uuid`, [job])
      await session.query(`DELETE FROM ${schema}.versions WHERE job = $1::text::uuid`, [job])
      return true
    })
    if (isGone) return
  }
  await forgetVersions(database, schema, job)
}

/** Number of occurrences that a statement reads. The first 100 usually show that no version can be removed. */
const pageSizes = { first: 100, next: 10_000 }

/**
 * Removes replaced versions that no occurrence uses.
 *
 * No index of the history contains versions, because every end of an occurrence would have to write that index. So
 * `forgetVersions` reads the history of the job in pages, from the oldest occurrence on and without a lock.
 *
 * If the search finds an occurrence of the oldest replaced version, the search ends, and removes no version. Usually an
 * occurrence on the first page ends the search.
 */
async function forgetVersions(database: Database, schema: string, job: string): Promise<void> {
  // This statement excludes the versions of live occurrences before the scan of the history. During the scan, a live occurrence
  // may end, and move to an already scanned part of the history.
  const rows = await database.query(
    `SELECT v.version FROM ${schema}.versions v WHERE v.job = $1::text::uuid
       AND v.version < (SELECT version FROM ${schema}.heads WHERE id = v.job)
       AND NOT EXISTS (SELECT FROM ${schema}.live l WHERE l.job = v.job AND l.job_version = v.version)
     ORDER BY v.version`,
    [job],
  )
  const unused = new Set(rows.map(({ version }) => numberOf(version)))
  const [oldest] = unused
  if (oldest === undefined) return
  let place: { readonly at: string; readonly id: string } | null = null
  for (let limit = pageSizes.first; ; limit = pageSizes.next) {
    const behind: string =
      place === null
        ? ''
        : 'AND scheduled_at >= $2::text::bigint AND (scheduled_at, id) > ($2::text::bigint, $3::text::uuid)'
    const [page] = await database.query(
      `WITH page AS (
         SELECT scheduled_at, id, job_version FROM ${schema}.history WHERE job = $1::text::uuid ${behind}
         ORDER BY scheduled_at, id LIMIT ${limit}
       )
       SELECT scheduled_at::text AS at, id::text AS id, (SELECT string_agg(DISTINCT job_version::text, ' ') FROM page) AS versions
       FROM page ORDER BY scheduled_at DESC, page.id DESC LIMIT 1`,
      place === null ? [job] : [job, place.at, place.id],
    )
    if (page === undefined) break
    for (const version of String(page.versions).split(' ')) unused.delete(Number(version))
    if (!unused.has(oldest)) return
    place = { at: String(page.at), id: String(page.id) }
  }
  await database.query(
    `DELETE FROM ${schema}.versions v WHERE v.job = $1::text::uuid AND v.version = ${anyOf('$2', 'integer')}`,
    [job, plainArray([...unused])],
  )
}
