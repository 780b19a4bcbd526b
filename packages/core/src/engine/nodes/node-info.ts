import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { JsonObject } from '../../json.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import { ownProcessMark } from './process/process-mark.ts'

/** A node, as the storage and the node that was asked know it. */
export interface NodeInfo {
  /** Its name. */
  readonly node: string
  /** Which of its lives this is. */
  readonly incarnation: string
  /** By the node's own time. */
  readonly startedAt: Date
  /**
   * `working`; `leaving`: it is shutting down; `ended`: it has shut down; `dead`: it has sent no heartbeat for its
   * `deadAfter`, see `dead`.
   */
  readonly state: 'working' | 'leaving' | 'ended' | 'dead'
  /** Since when it is dead, and who runs its work now; `null` unless it is dead. */
  readonly dead: NodeDeath | null
  /**
   * For how long the process that was asked has seen no heartbeat of it, in milliseconds; 0 for that node itself. `null`
   * if that process has not seen a heartbeat of it yet.
   */
  readonly silentForMs: number | null
  /** The machine's name. */
  readonly host: string
  /** Id of its process. */
  readonly pid: number
  /** Versions of Node.js, of this package, and of the time zone data. */
  readonly versions: { readonly node: string; readonly jobistemer: string; readonly timeZones: string }
  /** How many occurrences it runs at once. */
  readonly maxConcurrentJobs: number
  /** How many it ran at its last heartbeat. */
  readonly running: number
}

/** The death of a node. Its record is kept for a day. */
export interface NodeDeath {
  /** When the observer saw its last heartbeat. */
  readonly since: Date
  /** The node that took over the runs of the dead node; `null` until then, and if the dead node had no runs. */
  readonly takenOverBy: string | null
}

/** What a node says of itself for people. */
export function aboutOf({
  maxConcurrentJobs,
  deadAfterMs,
  restsAlone,
}: {
  readonly maxConcurrentJobs: number
  readonly deadAfterMs: number
  /** While no other node exists, this one sends hardly any heartbeats. */
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

/** The time zone data of this process; the version of ICU where Node.js does not tell the former. */
export const timeZoneVersion: string = process.versions.tz ?? `ICU ${process.versions.icu ?? 'unknown'}`

/** The version of the time zone data of a node; `null` when its record has none. */
export function timeZoneVersionOf({ about: { versions } }: Pick<NodeRecord, 'about'>): string | null {
  return (versions as Partial<NodeInfo['versions']> | undefined)?.timeZones ?? null
}

/** For how long the record of a dead node is kept. */
const deadKeptMs = 86_400_000
/** More are not kept: each heartbeat reads all records, and a node that restarts in a loop leaves many. */
const mostDeadKept = 20

/** How a death is stored in the node's record. */
interface StoredDeath {
  readonly since: number
  readonly takenOverBy: string | null
}

/** The death that a record states; `null` for the record of any other node, and for a statement that cannot be read. */
export function deathOf({ about: { dead } }: Pick<NodeRecord, 'about'>): NodeDeath | null {
  const { since, takenOverBy } = Object(dead) as Partial<StoredDeath>
  if (typeof since !== 'number') return null
  return { since: new Date(since), takenOverBy: takenOverBy ?? null }
}

/**
 * The record of a node that has died. Its counter is below that of the last heartbeat: the next heartbeat of a node that
 * was not dead replaces this record. A record that names a successor replaces one that names none, never the reverse.
 */
export function recordOfDead(record: NodeRecord, { since, takenOverBy }: StoredDeath): NodeRecord {
  const dead = { since, takenOverBy }
  const counter = record.counter - (takenOverBy === null ? 2 : 1)
  return { ...record, counter, leaving: true, about: { ...record.about, ended: true, dead } }
}

/** Records of dead nodes that are not kept any longer. */
export function outdatedDeaths(records: readonly NodeRecord[], now: number): readonly NodeRecord[] {
  const since = (record: NodeRecord): number => deathOf(record)?.since.getTime() ?? 0
  const newestFirst = records
    .filter((record) => deathOf(record) !== null)
    .sort((one, other) => since(other) - since(one))
  return newestFirst.filter((record, index) => index >= mostDeadKept || since(record) <= now - deadKeptMs)
}

/** A record for people to read. */
export function nodeInfoOf(
  record: NodeRecord,
  { dead, silentForMs }: { readonly dead: NodeDeath | null; readonly silentForMs: number | null },
): NodeInfo {
  const { node, incarnation, startedAt, leaving, about } = record
  const { host, pid, versions, maxConcurrentJobs, running } = about as unknown as NodeInfo
  const living = leaving ? 'leaving' : 'working'
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

function packageVersion(): string {
  try {
    const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
    return (JSON.parse(text) as { readonly version: string }).version
  } catch {
    // In a bundle there is no such file.
    return 'unknown'
  }
}
