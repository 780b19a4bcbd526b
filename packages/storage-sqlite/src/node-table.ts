import {
  byIncarnation,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type NodeProfile,
  type NodeRecord,
  objectOfStored,
  parseStored,
} from '@jobistemer/core/storage'
import type { NamedTables } from './schema.ts'

interface NodeRow {
  readonly incarnation: string
  readonly node: string
  readonly counter: number
  readonly started_at: number
  readonly leaving: number
  readonly about: string
}

/** Stores node records and the profiles of nodes. */
export class NodeTable {
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: NamedTables) {
    this.#statements = prepareStatements(database)
  }

  heartbeat({ own, profile, remove, profilesOf }: HeartbeatRequest): HeartbeatAnswer {
    for (const { incarnation, counter } of remove) this.#statements.remove.run(incarnation, counter)
    if (own !== null) this.#put(own, profile)
    return {
      nodes: (this.#statements.list.all() as NodeRow[]).map(readNode).sort(byIncarnation),
      profiles: profilesOf.map((incarnation) => {
        const profile = this.#statements.readProfile.get(incarnation) as string | null | undefined
        return profile == null ? null : objectOfStored(parseStored(profile))
      }),
    }
  }

  #put({ incarnation, node, counter, startedAt, leaving, about }: NodeRecord, profile: NodeProfile | undefined): void {
    const printed = profile === undefined ? null : JSON.stringify(profile)
    this.#statements.put.run(incarnation, node, counter, startedAt, leaving ? 1 : 0, JSON.stringify(about), printed)
  }
}

function readNode({ incarnation, node, counter, started_at: startedAt, leaving, about }: NodeRow): NodeRecord {
  return { node, incarnation, counter, startedAt, leaving: leaving === 1, about: objectOfStored(parseStored(about)) }
}

function prepareStatements(database: NamedTables) {
  return {
    list: database.prepare('SELECT incarnation, node, counter, started_at, leaving, about FROM {nodes}'),
    // A record with a smaller counter is outdated, so it changes nothing.
    put: database.prepare(
      `INSERT INTO {nodes} VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incarnation) DO UPDATE SET node = excluded.node,
         counter = excluded.counter, started_at = excluded.started_at, leaving = excluded.leaving, about = excluded.about,
         profile = coalesce(excluded.profile, profile)
         WHERE excluded.counter > {nodes}.counter`,
    ),
    remove: database.prepare('DELETE FROM {nodes} WHERE incarnation = ? AND counter = ?'),
    readProfile: database.pluck('SELECT profile FROM {nodes} WHERE incarnation = ?'),
  }
}
