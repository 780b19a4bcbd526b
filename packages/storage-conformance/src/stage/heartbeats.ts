import type { JsonObject } from '@jobistemer/core'
import type { HeartbeatAnswer, HeartbeatRequest, NodeRecord, Storage } from '@jobistemer/core/storage'
import { start } from './instants.ts'

/** Returns the heartbeat record of a node's incarnation. */
export function nodeRecord(
  incarnation: string,
  counter: number,
  options: Partial<Pick<NodeRecord, 'node' | 'startedAt' | 'leaving' | 'about'>> = {},
): NodeRecord {
  const { node = 'node-a', startedAt = start, leaving = false, about = { pid: 7 } } = options
  return { node, incarnation, counter, startedAt, leaving, about }
}

/**
 * Sends a heartbeat with the record `own`; with `null`, only reads the stored records. `request` sets further members of the
 * heartbeat request.
 */
export async function beat(
  storage: Storage,
  own: NodeRecord | null,
  request: Partial<Omit<HeartbeatRequest, 'own'>> = {},
): Promise<HeartbeatAnswer> {
  return await storage.heartbeat({ now: start, own, remove: [], profilesOf: [], ...request })
}

/** Reads the records of all nodes. */
export async function readNodes(storage: Storage): Promise<readonly NodeRecord[]> {
  return (await beat(storage, null)).nodes
}

/** Reads the profile of a node's incarnation. */
export async function readProfile(storage: Storage, incarnation: string): Promise<JsonObject | null | undefined> {
  return (await beat(storage, null, { profilesOf: [incarnation] })).profiles[0]
}
