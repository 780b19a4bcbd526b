import type { HeartbeatAnswer, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: if a read of the node records fails, the connection returns the previous answer. */
export function overlookFailedLooks(connection: Storage): Storage {
  let latest: HeartbeatAnswer | null = null
  return wrapStorage(connection, {
    async heartbeat(request) {
      try {
        latest = await connection.heartbeat(request)
        return latest
      } catch (error) {
        if (latest === null) throw error
        return { ...latest, profiles: request.profilesOf.map(() => null) }
      }
    },
  })
}
