import type { HeartbeatRequest, NodeRecord, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/**
 * Sabotage: observers detect deaths by wall clocks. The time of a node's last heartbeat comes from the node's wall clock. The
 * observer compares this time with its own wall clock. If the heartbeat seems too old, the observer declares the node dead.
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

/**
 * Returns the record with a false counter. If the sabotage considers the node dead, the counter is always 0. Otherwise, the
 * counter grows with each look.
 */
function judged(record: NodeRecord, { now, looks }: { readonly now: number; readonly looks: number }): NodeRecord {
  const { beatAt, deadAfterMs } = record.about as { readonly beatAt?: number; readonly deadAfterMs: number }
  if (beatAt === undefined) return record
  const isDead = now - beatAt >= deadAfterMs
  return { ...record, counter: isDead ? 0 : looks, about: { ...record.about, ...(isDead && { deadAfterMs: 0 }) } }
}
