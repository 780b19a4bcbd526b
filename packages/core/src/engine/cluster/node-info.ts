import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { JsonObject } from '../../json.ts'
import { orElse } from '../../or-else.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Heartbeats } from './heartbeats.ts'
import { deathOf, hasEnded, type NodeDeath, timeZoneVersion } from './peer-record.ts'
import { isDead } from './peer-states.ts'
import type { Peers } from './peers.ts'
import { ownProcessMark } from './node-name.ts'

/** A node, as the storage and the process that reads it know it. */
export interface NodeInfo {
  /** Its name. */
  readonly node: string
  /** Identifies this life of the node, from its start to its shutdown or crash. */
  readonly incarnation: string
  /** Start of the node, by its own time. */
  readonly startedAt: Date
  /**
   * `working`; `leaving`: the node is shutting down; `ended`: the node has shut down; `dead`: the node has sent no heartbeat
   * for its `deadAfter`, see `dead`.
   */
  readonly state: 'working' | 'leaving' | 'ended' | 'dead'
  /** Since when the node is dead, and which node took over its runs; `null` unless the node is dead. */
  readonly dead: NodeDeath | null
  /**
   * Milliseconds since the reading process last saw a heartbeat of the node; 0 for the reading node itself; `null` if it has
   * seen none yet.
   */
  readonly silentForMs: number | null
  /** Host name of the machine. */
  readonly host: string
  /** Id of the node's process. */
  readonly pid: number
  /** Versions of Node.js, of this package, and of the time zone data. */
  readonly versions: { readonly node: string; readonly jobistemer: string; readonly timeZones: string }
  /** Maximum number of occurrences that the node runs at once. */
  readonly maxConcurrentJobs: number
  /** Number of occurrences that the node ran at its last heartbeat. */
  readonly running: number
}

/**
 * Returns what the record of this node states about it. People read it, and so do other nodes: `deadAfterMs`, `process` and
 * the version of the time zone data.
 */
export function aboutOf({
  maxConcurrentJobs,
  deadAfterMs,
  restsAlone,
}: {
  readonly maxConcurrentJobs: number
  readonly deadAfterMs: number
  /** While no other node exists, this node sends one heartbeat per day. */
  readonly restsAlone: boolean
}): JsonObject {
  return {
    host: hostname(),
    pid: process.pid,
    versions: { node: process.versions.node, jobistemer: packageVersion(), timeZones: timeZoneVersion },
    maxConcurrentJobs,
    deadAfterMs,
    ...(restsAlone && { restsAlone }),
    process: ownProcessMark(),
  }
}

interface Observer {
  readonly peers: Peers
  readonly incarnation: string
  readonly now: number
}

/** Reads all nodes, for people, sorted by name. */
export async function readNodeInfos(
  engine: Pick<EngineContext, 'clock' | 'owner' | 'now'>,
  heartbeats: Heartbeats,
  read: (request: HeartbeatRequest) => Promise<HeartbeatAnswer>,
): Promise<readonly NodeInfo[]> {
  const { peers } = heartbeats
  const askedAt = engine.clock.monotonic()
  const { nodes } = await read({ now: engine.now(), own: null, remove: [], profilesOf: [] })
  // A client sends no heartbeats. It finds silent nodes by comparing the records of several calls. A lone node may rest: then
  // it is silent without being dead, so the client does not observe it.
  const [lone, ...others] = nodes.filter((record) => !hasEnded(record))
  const mayRest = others.length === 0 && lone?.about.restsAlone === true
  if (!heartbeats.isKnown && !mayRest) peers.observe(nodes, askedAt, { isQuiet: true })
  return nodes
    .map((record) => nodeInfoOf(record, { peers, incarnation: engine.owner.incarnation, now: engine.now() }))
    .sort((left, right) => (left.node < right.node ? -1 : left.node > right.node ? 1 : 0))
}

function nodeInfoOf(record: NodeRecord, observer: Observer): NodeInfo {
  const { node, incarnation, startedAt, leaving, about } = record
  const { host, pid, versions, maxConcurrentJobs, running } = about as unknown as NodeInfo
  const living = leaving ? 'leaving' : 'working'
  const { dead, silentForMs } = lifeOf(record, observer)
  return {
    node,
    incarnation,
    startedAt: new Date(startedAt),
    state: dead !== null ? 'dead' : hasEnded(record) ? 'ended' : living,
    dead,
    silentForMs,
    host,
    pid,
    versions,
    maxConcurrentJobs,
    running,
  }
}

function lifeOf(record: NodeRecord, { peers, incarnation, now }: Observer): Pick<NodeInfo, 'dead' | 'silentForMs'> {
  if (record.incarnation === incarnation) return { dead: null, silentForMs: 0 }
  const stated = deathOf(record)
  if (stated !== null) return { dead: stated, silentForMs: Math.max(0, now - stated.since.getTime()) }
  const peer = peers.get(record.incarnation)
  if (peer === undefined) return { dead: null, silentForMs: null }
  const silentForMs = Math.round(peers.silentForMs(record.incarnation))
  if (isDead(peer.state)) return { dead: { since: new Date(now - silentForMs), takenOverBy: null }, silentForMs }
  return { dead: null, silentForMs: peer.isProven ? silentForMs : null }
}

function packageVersion(): string {
  // In a bundle there is no such file.
  const text = orElse(
    () => readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
    '{"version":"unknown"}',
  )
  return (JSON.parse(text) as { readonly version: string }).version
}
