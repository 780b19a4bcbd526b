import type { JsonObject } from '@jobistemer/core'
import type { HeartbeatAnswer, HeartbeatRequest, NodeRecord, Storage } from '@jobistemer/core/storage'
import { start } from './instants.ts'

/** What one life of a node says of itself. */
export function nodeRecord(
  incarnation: string,
  counter: number,
  options: Partial<Pick<NodeRecord, 'node' | 'startedAt' | 'leaving' | 'about'>> = {},
): NodeRecord {
  const { node = 'node-a', startedAt = start, leaving = false, about = { pid: 7 } } = options
  return { node, incarnation, counter, startedAt, leaving, about }
}

/** A heartbeat that says what is given and asks for nothing else. */
export async function beat(
  storage: Storage,
  own: NodeRecord | null,
  request: Partial<Omit<HeartbeatRequest, 'own'>> = {},
): Promise<HeartbeatAnswer> {
  return await storage.heartbeat({ now: start, own, remove: [], profilesOf: [], ...request })
}

/** What all nodes have said. */
export async function readNodes(storage: Storage): Promise<readonly NodeRecord[]> {
  return (await beat(storage, null)).nodes
}

/** The profile of one life of a node. */
export async function readProfile(storage: Storage, incarnation: string): Promise<JsonObject | null | undefined> {
  return (await beat(storage, null, { profilesOf: [incarnation] })).profiles[0]
}
