import {
  byIncarnation,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  isNodesNews,
  type NodeRecord,
  objectOfStored,
  parseStored,
} from '@jobistemer/core/storage'
import type { Ledger, ScriptArgument } from './connection.ts'
import { printFields } from './layout.ts'
import { heartbeatScript } from './scripts/heartbeat.ts'
import { nodeLayout } from './layouts.ts'

/** The shard of all node records, which belong to no job. Because all records are on this shard, one call reads them all. */
const shardOfNodes = 0

/** A stored node record without its counter, as JSON. In the stored bytes, the counter precedes the JSON. */
type NodeContent = Omit<NodeRecord, 'counter'>

/** Implements `heartbeat` of the storage with one call of one script. */
export async function heartbeat(
  { connection, channel, sender }: Ledger,
  request: HeartbeatRequest,
): Promise<HeartbeatAnswer> {
  const { own, profile, remove, profilesOf } = request
  const shards = await connection.shards()
  const values: ScriptArgument[] = [
    own === null ? '' : printName(own.incarnation),
    own === null ? '' : printNode(own),
    profile === undefined ? '' : JSON.stringify(profile),
    isNodesNews(request) ? channel : '',
    sender,
    remove.length,
    ...remove.flatMap(({ incarnation, counter }) => [printName(incarnation), printFields(nodeLayout, { counter })]),
    ...profilesOf.map(printName),
  ]
  const call = { script: heartbeatScript, shard: shardOfNodes, shards, arguments: values }
  const onlyReads = own === null && remove.length === 0
  const reply = await (onlyReads ? connection.read(call) : connection.write(call))
  const [stored, profiles] = reply as readonly [readonly Buffer[], readonly Buffer[]]
  return {
    nodes: stored
      .filter((_, index) => index % 2 === 1)
      .flatMap((bytes) => readNode(bytes) ?? [])
      .sort(byIncarnation),
    profiles: profiles.map((text) => (text.length === 0 ? null : objectOfStored(parseStored(text.toString())))),
  }
}

/** Prints an incarnation as JSON, which is never empty and preserves text that UTF-8 cannot encode. */
function printName(incarnation: string): string {
  return JSON.stringify(incarnation)
}

function printNode({ counter, ...content }: NodeRecord): Buffer {
  const text = Buffer.from(JSON.stringify(content satisfies NodeContent))
  return Buffer.concat([printFields(nodeLayout, { counter }), text])
}

/** Reads a node record. Returns `null` for a damaged record that does not name its node. */
function readNode(bytes: Buffer): NodeRecord | null {
  if (bytes.length < nodeLayout.size) return null
  const content = objectOfStored(parseStored(bytes.toString('utf8', nodeLayout.size))) as Partial<NodeContent>
  const { node, incarnation, startedAt = 0, leaving = false } = content
  if (typeof node !== 'string' || typeof incarnation !== 'string') return null
  const counter = bytes.readDoubleLE(nodeLayout.at.counter)
  return { node, incarnation, counter, startedAt, leaving, about: objectOfStored(content.about) }
}
