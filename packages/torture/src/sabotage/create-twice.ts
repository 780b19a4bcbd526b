import type { CreateAnswer, CreateItem, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/**
 * Sabotage: if a node creates an existing slot, the storage answers `created`, as if it had no unique key. Each node
 * sees no other node in the answers to its heartbeats, so that every node launches every slot.
 */
export function createTwice(storage: Storage): Storage {
  return wrapStorage(storage, {
    async createOccurrences(request) {
      const answers = await storage.createOccurrences(request)
      return answers.map((answer, index) => repeated(answer, request.items[index] as CreateItem))
    },
    async heartbeat(request) {
      const { nodes, profiles } = await storage.heartbeat(request)
      return { nodes: nodes.filter(({ incarnation }) => incarnation === request.own?.incarnation), profiles }
    },
  })
}

function repeated(answer: CreateAnswer, item: CreateItem): CreateAnswer {
  if (answer.outcome !== 'exists' || item.kind !== 'slot' || item.runs === null) return answer
  return { outcome: 'created', state: 'running', token: 1, reason: null, displaced: [], cancelRequested: [] }
}
