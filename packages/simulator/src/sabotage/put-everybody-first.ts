import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { dropUniqueKey } from './drop-unique-key.ts'

/**
 * Sabotage: the storage hides all peers from each node, so that each node launches every slot. The storage also answers the
 * creation of an existing occurrence with `created`.
 */
export function putEverybodyFirst(storage: Storage): Storage {
  const unconditional = dropUniqueKey(storage)
  return wrapStorage(unconditional, {
    async heartbeat(request) {
      const answer = await unconditional.heartbeat(request)
      return { ...answer, nodes: answer.nodes.filter(({ node }) => node === request.own?.node) }
    },
  })
}
