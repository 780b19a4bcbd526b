import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { JsonObject } from '../../json.ts'
import { orElse } from '../../or-else.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { HeartbeatOptions, Heartbeats } from './heartbeats.ts'
import { deathOf, hasEnded, type NodeDeath, type Peers } from './peers.ts'
import { isDead } from './peer-states.ts'
import { ownProcessMark } from './node-name.ts'

/**
 * A node of the cluster, as a call of `nodes` describes it. Most members come from the node record in the storage. The members
 * `state`, `dead` and `silentForMs` also depend on what the reading process has observed.
 */
export interface NodeInfo {
  /** The name of the node. */
  readonly node: string
  /** Identifies one life of the node, from its start to its shutdown or crash. */
  readonly incarnation: string
  /** Time at which the node started, by the node's own clock. */
  readonly startedAt: Date
  /**
   * The state of the node:
   * - `working`: the node sends heartbeats and takes work.
   * - `leaving`: the node is shutting down.
   * - `ended`: the node has shut down.
   * - `dead`: the node has sent no heartbeat for its `deadAfter`.
   */
  readonly state: 'working' | 'leaving' | 'ended' | 'dead'
  /** When the node died, and which node took over its runs; `null` unless the node is dead. */
  readonly dead: NodeDeath | null
  /**
   * Milliseconds since the reading process last saw a heartbeat of this node. 0 if the node is the reading process itself;
   * `null` if the process has seen no heartbeat of the node yet.
   */
  readonly silentForMs: number | null
  /** Host name of the node's machine. */
  readonly host: string
  /** Process id of the node. */
  readonly pid: number
  /** The node's versions of Node.js, of this package, and of the time zone data. */
  readonly versions: { readonly node: string; readonly jobistemer: string; readonly timeZones: string }
  /** Maximum number of occurrences that the node runs at once. */
  readonly maxConcurrentJobs: number
  /** Number of occurrences that the node ran at its last heartbeat. */
  readonly running: number
}

/**
 * Returns the member `about` of this node's record. `NodeInfo` shows most of its members to users. Other nodes use
 * `deadAfterMs` and `process`.
 */
export function aboutOf(
  options: Pick<NodeInfo, 'maxConcurrentJobs'> & Pick<HeartbeatOptions, 'deadAfterMs' | 'restsAlone'>,
): JsonObject {
  const { maxConcurrentJobs, deadAfterMs, restsAlone } = options
  return {
    host: hostname(),
    pid: process.pid,
    // If Node.js does not state the version of its time zone data, the version of ICU takes its place.
    versions: {
      node: process.versions.node,
      jobistemer: packageVersion(),
      timeZones: process.versions.tz ?? `ICU ${process.versions.icu ?? 'unknown'}`,
    },
    maxConcurrentJobs,
    deadAfterMs,
    ...(restsAlone && { restsAlone }),
    process: ownProcessMark(),
  }
}

/** Returns the {@link NodeInfo} of each node, sorted by node name. */
export async function readNodeInfos(
  engine: Pick<EngineContext, 'clock' | 'owner' | 'now'>,
  heartbeats: Heartbeats,
  read: (request: HeartbeatRequest) => Promise<HeartbeatAnswer>,
): Promise<readonly NodeInfo[]> {
  const { peers } = heartbeats
  const askedAt = engine.clock.monotonic()
  const { nodes } = await read({ now: engine.now(), own: null, remove: [], profilesOf: [] })
  // A client sends no heartbeats. It finds silent nodes by comparing the records of this call with those of its earlier calls.
  // Exception: the only node may rest, and is then silent although it lives. In this case, the client makes no comparison.
  const [lone, ...others] = nodes.filter((record) => !hasEnded(record))
  const mayRest = others.length === 0 && lone?.about.restsAlone === true
  if (!heartbeats.isKnown && !mayRest) peers.observe(nodes, askedAt, { isQuiet: true })
  return nodes
    .map((record): NodeInfo => {
      const { node, incarnation, startedAt, leaving, about } = record
      const { host, pid, versions, maxConcurrentJobs, running } = about as unknown as NodeInfo
      const living = leaving ? 'leaving' : 'working'
      const isOwn = incarnation === engine.owner.incarnation
      const { dead, silentForMs } = isOwn ? { dead: null, silentForMs: 0 } : lifeOf(record, peers, engine.now())
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
    })
    .sort((left, right) => (left.node < right.node ? -1 : left.node > right.node ? 1 : 0))
}

function lifeOf(record: NodeRecord, peers: Peers, now: number): Pick<NodeInfo, 'dead' | 'silentForMs'> {
  const stated = deathOf(record)
  if (stated !== null) return { dead: stated, silentForMs: Math.max(0, now - stated.since.getTime()) }
  const peer = peers.get(record.incarnation)
  if (peer === undefined) return { dead: null, silentForMs: null }
  const silentForMs = Math.round(peers.silentForMs(record.incarnation))
  if (isDead(peer.state)) return { dead: { since: new Date(now - silentForMs), takenOverBy: null }, silentForMs }
  return { dead: null, silentForMs: peer.isProven ? silentForMs : null }
}

function packageVersion(): string {
  // A bundled program has no `package.json` of this package, and a CommonJS bundle no URL. So the version is unknown.
  const read = () => readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return orElse(() => (JSON.parse(read()) as { readonly version: string }).version, 'unknown')
}
