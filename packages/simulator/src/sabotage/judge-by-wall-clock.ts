import type { HeartbeatRequest, NodeRecord, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/**
 * Sabotage: an observer compares the time of a node's last heartbeat, by that node's clock, with the observer's own wall clock.
 * If the heartbeat seems too old, the observer declares the node dead.
 */
export function judgeByWallClock(connection: Storage): Storage {
  let looks = 0
  return wrapStorage(connection, {
    async heartbeat(request) {
      const answer = await connection.heartbeat(stamped(request))
      looks++
      return { ...answer, nodes: answer.nodes.map((record) => judged(record, { now: request.now, looks })) }
    },
  })
}

function stamped({ own, ...request }: HeartbeatRequest): HeartbeatRequest {
  return { ...request, own: own && { ...own, about: { ...own.about, beatAt: request.now } } }
}

/** Returns the record with a false counter, which stands still if the sabotage considers the node dead. */
function judged(record: NodeRecord, { now, looks }: { readonly now: number; readonly looks: number }): NodeRecord {
  const { beatAt, deadAfterMs } = record.about as { readonly beatAt?: number; readonly deadAfterMs: number }
  if (beatAt === undefined) return record
  const isDead = now - beatAt >= deadAfterMs
  return { ...record, counter: isDead ? 0 : looks, about: { ...record.about, ...(isDead && { deadAfterMs: 0 }) } }
}
