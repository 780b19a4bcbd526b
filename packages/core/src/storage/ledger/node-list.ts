import { byIncarnation, type NodeProfile, type NodeRecord } from '../node-record.ts'
import { isNewsOf } from '../rules.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../storage.ts'

/** Node records in memory, for a ledger that serves a single process. */
export class NodeList {
  readonly #nodes = new Map<string, { readonly record: NodeRecord; readonly profile: NodeProfile | null }>()

  /** Writes and reads node records, as `Storage.heartbeat` does. */
  heartbeat({ own, profile, remove, profilesOf }: HeartbeatRequest): HeartbeatAnswer {
    for (const { incarnation, counter } of remove) {
      if (this.#nodes.get(incarnation)?.record.counter === counter) this.#nodes.delete(incarnation)
    }
    if (own !== null) {
      const stored = this.#nodes.get(own.incarnation) ?? null
      if (isNewsOf(stored?.record ?? null, own)) {
        this.#nodes.set(own.incarnation, { record: own, profile: profile ?? stored?.profile ?? null })
      }
    }
    return {
      nodes: [...this.#nodes.values()].map(({ record }) => record).sort(byIncarnation),
      profiles: profilesOf.map((incarnation) => this.#nodes.get(incarnation)?.profile ?? null),
    }
  }
}
