import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { dropUniqueKey } from './drop-unique-key.ts'

/** Sabotage: hides all peers, so that each node launches every slot, and creates existing occurrences again. */
export function putEverybodyFirst(storage: Storage): Storage {
  const unconditional = dropUniqueKey(storage)
  return wrapStorage(unconditional, {
    async heartbeat(request) {
      const answer = await unconditional.heartbeat(request)
      return { ...answer, nodes: answer.nodes.filter(({ node }) => node === request.own?.node) }
    },
  })
}
