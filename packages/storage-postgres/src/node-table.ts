import {
  byIncarnation,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type NodeRecord,
  objectOfStored,
  parseStored,
} from '@jobistemer/core/storage'
import { anyOf, isTrue, numberOf, plainArray, readText, type Row, type Session, storeText, textArray } from './sql.ts'

/**
 * Stores and reads node records. A heartbeat has three parts: removal, write and read. Each part is one statement, and
 * changes or reads each record atomically.
 */
export async function heartbeat(session: Session, schema: string, request: HeartbeatRequest): Promise<HeartbeatAnswer> {
  const { own, profile, remove, profilesOf } = request
  if (remove.length > 0) {
    await session.query(
      `DELETE FROM ${schema}.nodes n USING unnest($1::text::text[], $2::text::bigint[]) w (incarnation, counter)
       WHERE n.incarnation = w.incarnation AND n.counter = w.counter`,
      [
        textArray(remove.map(({ incarnation }) => storeText(incarnation))),
        plainArray(remove.map(({ counter }) => counter)),
      ],
    )
  }
  if (own !== null) {
    const { incarnation, node, counter, startedAt, leaving, about } = own
    const texts = [storeText(incarnation), storeText(node), String(counter), String(startedAt), String(leaving)]
    const printed = profile === undefined ? null : JSON.stringify(profile)
    await session.query(
      `INSERT INTO ${schema}.nodes (incarnation, node, counter, started_at, leaving, about, profile)
       VALUES ($1::text, $2::text, $3::text::bigint, $4::text::bigint, $5::text::boolean, $6::text, $7::text)
       ON CONFLICT (incarnation) DO UPDATE SET node = excluded.node, counter = excluded.counter,
         started_at = excluded.started_at, leaving = excluded.leaving, about = excluded.about,
         profile = coalesce(excluded.profile, nodes.profile)
       WHERE nodes.counter < excluded.counter`,
      [...texts, JSON.stringify(about), printed],
    )
  }
  const rows = await session.query(
    `SELECT node, incarnation, counter, started_at, leaving, about,
       CASE WHEN incarnation = ${anyOf('$1', 'text')} THEN profile END AS profile FROM ${schema}.nodes`,
    [textArray(profilesOf.map(storeText))],
  )
  const profiles = new Map(rows.map((row) => [readText(row.incarnation), row.profile as string | null]))
  return {
    nodes: rows.map(readNode).sort(byIncarnation),
    profiles: profilesOf.map((incarnation) => {
      const text = profiles.get(incarnation) ?? null
      return text === null ? null : objectOfStored(parseStored(text))
    }),
  }
}

function readNode(row: Row): NodeRecord {
  return {
    node: readText(row.node),
    incarnation: readText(row.incarnation),
    counter: numberOf(row.counter),
    startedAt: numberOf(row.started_at),
    leaving: isTrue(row.leaving),
    about: objectOfStored(parseStored(row.about as string)),
  }
}
