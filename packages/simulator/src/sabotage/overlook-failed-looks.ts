import type { HeartbeatAnswer, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: answers a failed heartbeat read with the previous answer, so that peers seem silent during every outage. */
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
