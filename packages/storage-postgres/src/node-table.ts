import {
  byIncarnation,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type NodeProfile,
  type NodeRecord,
  objectOfStored,
  parseStored,
} from '@jobistemer/core/storage'
import { anyOf } from './one-of.ts'
import { isTrue, numberOf, plainArray, type Row, type Session, textArray } from './sql.ts'
import { readText, storeText } from './stored-text.ts'

/**
 * Stores and reads node records. Each part of a heartbeat (removal, write, read) is one statement, and atomic for each record.
 * Profiles have a separate table, because a heartbeat writes one record and reads the records of all nodes.
 */
export async function heartbeat(session: Session, schema: string, request: HeartbeatRequest): Promise<HeartbeatAnswer> {
  const { own, profile, remove, profilesOf } = request
  if (remove.length > 0) {
    await session.query(
      `WITH gone AS (
         DELETE FROM ${schema}.nodes n USING unnest($1::text::text[], $2::text::bigint[]) w (incarnation, counter)
         WHERE n.incarnation = w.incarnation AND n.counter = w.counter RETURNING n.incarnation
       ) DELETE FROM ${schema}.node_profiles WHERE incarnation IN (SELECT incarnation FROM gone)`,
      [
        textArray(remove.map(({ incarnation }) => storeText(incarnation))),
        plainArray(remove.map(({ counter }) => counter)),
      ],
    )
  }
  if (own !== null) await put(session, schema, own, profile)
  const rows = await session.query(`SELECT * FROM ${schema}.nodes`)
  return {
    nodes: rows.map(readNode).sort(byIncarnation),
    profiles: profilesOf.length === 0 ? [] : await readProfiles(session, schema, profilesOf),
  }
}

async function put(
  session: Session,
  schema: string,
  { incarnation, node, counter, startedAt, leaving, about }: NodeRecord,
  profile: NodeProfile | undefined,
): Promise<void> {
  // A record with a smaller counter is outdated, so it changes nothing.
  const record = `INSERT INTO ${schema}.nodes (incarnation, node, counter, started_at, leaving, about)
    VALUES ($1::text, $2::text, $3::text::bigint, $4::text::bigint, $5::text::boolean, $6::text)
    ON CONFLICT (incarnation) DO UPDATE SET node = excluded.node, counter = excluded.counter,
      started_at = excluded.started_at, leaving = excluded.leaving, about = excluded.about
    WHERE nodes.counter < excluded.counter`
  const key = storeText(incarnation)
  const values = [key, storeText(node), String(counter), String(startedAt), String(leaving), JSON.stringify(about)]
  if (profile === undefined) {
    await session.query(record, values)
    return
  }
  await session.query(
    `WITH news AS (${record} RETURNING incarnation)
     INSERT INTO ${schema}.node_profiles (incarnation, profile) SELECT incarnation, $7::text FROM news
       ON CONFLICT (incarnation) DO UPDATE SET profile = excluded.profile`,
    [...values, JSON.stringify(profile)],
  )
}

async function readProfiles(
  session: Session,
  schema: string,
  incarnations: readonly string[],
): Promise<HeartbeatAnswer['profiles']> {
  const rows = await session.query(
    `SELECT incarnation, profile FROM ${schema}.node_profiles WHERE incarnation = ${anyOf('$1', 'text')}`,
    [textArray(incarnations.map(storeText))],
  )
  const found = new Map(
    rows.map((row) => [readText(row.incarnation), objectOfStored(parseStored(row.profile as string))]),
  )
  return incarnations.map((incarnation) => found.get(incarnation) ?? null)
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
