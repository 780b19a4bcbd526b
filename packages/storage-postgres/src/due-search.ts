import type { JobId } from '@jobistemer/core'
import type { DuePage, DueQuery, OccurrenceAddress, OccurrenceRecord, Owner } from '@jobistemer/core/storage'
import { jobIdOf, occurrenceIdOf } from './ids.ts'
import { lanes, liveColumns, liveScheduledAt, readOccurrence, withOwners } from './occurrence-row.ts'
import { printPlace, readPlace } from './places.ts'
import { numberOf, numberOrNull, type Session, storeText, textArray } from './sql.ts'

/**
 * A claim counts the claimable rows that still have the code `lanes.delayed`. If at least this number of rows have it, the
 * claim gives `lanes.ready` to at most 10,000 of them. An index has the rows with `lanes.ready` in the order of claims. But a
 * claim must sort the rows with `lanes.delayed`.
 */
const mostDelayed = 500

/** Reads due occurrences for claims, without locks. The claim checks each occurrence again. */
export class DueSearch {
  readonly #session: Session
  readonly #schema: string

  constructor(session: Session, schema: string) {
    this.#session = session
    this.#schema = schema
  }

  /**
   * Returns claimable occurrences, and the next instant at which another occurrence becomes claimable. One snapshot of the
   * database yields both results.
   */
  async due(
    { now, exceptHandlerKeys }: DueQuery,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
  ): Promise<DuePage> {
    const place = cursor === null ? null : readPlace(cursor)
    const after = place === null ? '' : 'AND (l.order_at, l.id) > ($4::text::bigint, $5::text::uuid)'
    const schema = this.#schema
    const one = (lane: number) => `(
      SELECT l.id, l.job, l.order_at, ${liveScheduledAt} AS scheduled_at FROM ${schema}.live l JOIN ${schema}.heads h ON h.id = l.job
      WHERE l.state = ${lane} AND l.claim_at <= $1::text::bigint AND h.handler_key <> ALL ($2::text::text[]) ${after}
      ORDER BY l.order_at, l.id LIMIT $3::text::bigint)`
    const rows = await this.#session.query(
      `SELECT d.*, n.at AS next_at, e.count AS delayed FROM (
         SELECT least((${this.#nextOf(lanes.ready)}), (${this.#nextOf(lanes.delayed)})) AS at
       ) n CROSS JOIN (
         SELECT count(*) FROM (
           SELECT FROM ${schema}.live WHERE state = ${lanes.delayed} AND claim_at <= $1::text::bigint LIMIT ${mostDelayed}
         ) l
       ) e LEFT JOIN (
         SELECT * FROM (${one(lanes.ready)} UNION ALL ${one(lanes.delayed)}) d ORDER BY order_at, id LIMIT $3::text::bigint
       ) d ON true ORDER BY d.order_at, d.id`,
      [
        String(now),
        textArray(exceptHandlerKeys.map(storeText)),
        String(limit),
        ...(place === null ? [] : [String(place.at), place.uuid]),
      ],
    )
    if (numberOf(rows[0]?.delayed) === mostDelayed) await this.#makeReady(now)
    const occurrences: OccurrenceAddress[] = rows.flatMap((row) => {
      if (row.id === null) return []
      return [{ id: occurrenceIdOf(row.id), jobId: jobIdOf(row.job), scheduledAt: numberOf(row.scheduled_at) }]
    })
    const last = occurrences.length === limit ? occurrences.at(-1) : undefined
    if (last !== undefined) return { occurrences, cursor: printPlace(numberOf(rows.at(-1)?.order_at), last.id) }
    return { occurrences, cursor: null, nextDueAt: numberOrNull(rows[0]?.next_at) }
  }

  /** Returns SQL for the next instant after `$1` at which a pending occurrence of the group `lane` becomes claimable. */
  #nextOf(lane: number): string {
    return `SELECT l.claim_at FROM ${this.#schema}.live l JOIN ${this.#schema}.heads h ON h.id = l.job
      WHERE l.state = ${lane} AND l.claim_at > $1::text::bigint AND h.handler_key <> ALL ($2::text::text[])
      ORDER BY l.claim_at LIMIT 1`
  }

  /**
   * Changes the code of delayed occurrences that have become claimable to `lanes.ready`. Leaves out rows that a step has
   * locked, because that step writes these rows itself.
   */
  async #makeReady(now: number): Promise<void> {
    await this.#session.query(
      `UPDATE ${this.#schema}.live SET state = ${lanes.ready} WHERE id IN (
         SELECT id FROM ${this.#schema}.live WHERE state = ${lanes.delayed} AND claim_at <= $1::text::bigint
         ORDER BY claim_at LIMIT 10000 FOR UPDATE SKIP LOCKED
       )`,
      [String(now)],
    )
  }

  async nextDueAt({ now, exceptHandlerKeys }: DueQuery): Promise<number | null> {
    const [row] = await this.#session.query(
      `SELECT least((${this.#nextOf(lanes.ready)}), (${this.#nextOf(lanes.delayed)})) AS at`,
      [String(now), textArray(exceptHandlerKeys.map(storeText))],
    )
    return numberOrNull(row?.at)
  }

  async cancelRequested({ node, incarnation }: Owner): Promise<readonly OccurrenceRecord[]> {
    const rows = await this.#session.query(
      withOwners(
        this.#schema,
        `SELECT ${liveColumns} FROM ${this.#schema}.live WHERE state = ${lanes.running} AND cancel IS NOT NULL AND owner = (
           SELECT row FROM ${this.#schema}.owners WHERE node = $1::text AND incarnation = $2::text
         )`,
        false,
      ),
      [storeText(node), storeText(incarnation)],
    )
    return rows.map((row) => readOccurrence(row, false)).sort((left, right) => left.scheduledAt - right.scheduledAt)
  }

  async stranded(): Promise<readonly JobId[]> {
    const rows = await this.#session.query(
      `SELECT id FROM ${this.#schema}.heads WHERE queued > 0
         AND (cancels_below IS NOT NULL OR (pending = delayed AND running = 0)) ORDER BY id`,
    )
    return rows.map(({ id }) => jobIdOf(id))
  }
}
