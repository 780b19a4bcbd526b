import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { JsonObject } from '../../json.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import { ownProcessMark } from './process-mark.ts'

/** A node, as the storage and the node that was asked know it. */
export interface NodeInfo {
  /** Its name. */
  readonly node: string
  /** Which of its lives this is. */
  readonly incarnation: string
  /** By the node's own time. */
  readonly startedAt: Date
  /**
   * `working`; `leaving`: it is shutting down; `ended`: it has shut down; `lost`: it has said nothing for `deadAfter`, and
   * what it ran is being taken over.
   */
  readonly state: 'working' | 'leaving' | 'ended' | 'lost'
  /** For how long the node that was asked has seen no heartbeat of it, in milliseconds; 0 for that node itself. */
  readonly silentForMs: number
  /** The machine's name. */
  readonly host: string
  /** Id of its process. */
  readonly pid: number
  /** Versions of Node.js and of this package. */
  readonly versions: { readonly node: string; readonly jobistemer: string }
  /** How many occurrences it runs at once. */
  readonly maxConcurrentJobs: number
  /** How many it ran at its last heartbeat. */
  readonly running: number
}

/** What a node says of itself for people. */
export function aboutOf({
  maxConcurrentJobs,
  deadAfterMs,
}: {
  readonly maxConcurrentJobs: number
  readonly deadAfterMs: number
}): JsonObject {
  return {
    host: hostname(),
    pid: process.pid,
    versions: { node: process.versions.node, jobistemer: packageVersion() },
    maxConcurrentJobs,
    deadAfterMs,
    process: ownProcessMark(),
  }
}

/** How long a node may say nothing before it is dead, by its own word; `null` when it gives none. */
export function deadAfterOf({ about: { deadAfterMs } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof deadAfterMs === 'number' ? deadAfterMs : null
}

/** When the time of a call of `runDue` is over, in epoch milliseconds; `null` for any other node. */
export function callEndsAtOf({ about: { callEndsAt } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof callEndsAt === 'number' ? callEndsAt : null
}

/** Whether a node has shut down: it has said so, and says nothing more. */
export function hasEnded({ about }: Pick<NodeRecord, 'about'>): boolean {
  return about.ended === true
}

/** A record for people to read. */
export function nodeInfoOf(
  { node, incarnation, startedAt, leaving, about }: NodeRecord,
  { isLost, silentForMs }: { readonly isLost: boolean; readonly silentForMs: number },
): NodeInfo {
  const { host, pid, versions, maxConcurrentJobs, running } = about as unknown as NodeInfo
  const living = leaving ? 'leaving' : 'working'
  return {
    node,
    incarnation,
    startedAt: new Date(startedAt),
    state: hasEnded({ about }) ? 'ended' : isLost ? 'lost' : living,
    silentForMs,
    host,
    pid,
    versions,
    maxConcurrentJobs,
    running,
  }
}

function packageVersion(): string {
  try {
    const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
    return (JSON.parse(text) as { readonly version: string }).version
  } catch {
    // In a bundle there is no such file.
    return 'unknown'
  }
}
