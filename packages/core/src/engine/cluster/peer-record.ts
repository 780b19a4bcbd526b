import type { NodeProfile, NodeRecord } from '../../storage/node-record.ts'
import { dayMs } from '../../tuning.ts'
import { mostDeadKept } from './tuning.ts'

// The members of a node record's `about` that the engine itself writes and reads.

/** The code of a node, as the node announces it to other nodes. */
export interface NodeCode {
  /** The profile of the node; `null` if the profile is too large to store. */
  readonly profile: NodeProfile | null
  /** The digest of the node's code. Nodes with the same code and definitions have equal digests. */
  readonly digest: string
}

/**
 * The death of a node, as its record states it. Nodes remove the record after a day. Nodes remove the record earlier if the
 * dead node starts again under its name, or if more than 20 deaths are stored.
 */
export interface NodeDeath {
  /**
   * The instant from which the observing node counts the silence of the dead node. This is the last heartbeat, or the end of
   * a later outage of the storage.
   */
  readonly since: Date
  /** The node that took over the runs of the dead node. `null` before the takeover, and if the dead node had no runs. */
  readonly takenOverBy: string | null
}

/** Returns the `deadAfter` of a node in ms, as its record states it; `null` if the record states none. */
export function deadAfterOf({ about: { deadAfterMs } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof deadAfterMs === 'number' ? deadAfterMs : null
}

/** Returns the end of a call of `runDue`, in epoch ms, as its record states it; `null` for a node that is no such call. */
export function callEndsAtOf({ about: { callEndsAt } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof callEndsAt === 'number' ? callEndsAt : null
}

/** Returns whether a node record says that its node has shut down. */
export function hasEnded({ about }: Pick<NodeRecord, 'about'>): boolean {
  return about.ended === true
}

/** Version of the time zone data of this process. If Node.js does not state this version, the version of ICU. */
export const timeZoneVersion: string = process.versions.tz ?? `ICU ${process.versions.icu ?? 'unknown'}`

/** Returns the version of a node's time zone data; `null` if the node record states none. */
export function timeZoneVersionOf({ about: { versions } }: Pick<NodeRecord, 'about'>): string | null {
  return (versions as { readonly timeZones?: string } | undefined)?.timeZones ?? null
}

/** The form in which a node record stores the death of its node. */
interface StoredDeath {
  readonly since: number
  readonly takenOverBy: string | null
}

/** Returns the death that a node record states. Returns `null` if the record states no death, or in an unreadable form. */
export function deathOf({ about: { dead } }: Pick<NodeRecord, 'about'>): NodeDeath | null {
  const { since, takenOverBy } = Object(dead) as Partial<StoredDeath>
  if (typeof since !== 'number') return null
  return { since: new Date(since), takenOverBy: takenOverBy ?? null }
}

/**
 * Returns the record that states the death of a node, for `Heartbeats.stateDeath`. A storage keeps the record with the
 * larger counter. Let `n` be the counter of the last heartbeat. The counter of the returned record is `n - 1` if the
 * record names the node that took over the runs, else `n - 2`:
 * - If the node was not dead, its next heartbeat replaces this record.
 * - A record that names the successor replaces a record that names none, never the reverse.
 */
export function recordOfDead(record: NodeRecord, { since, takenOverBy }: StoredDeath): NodeRecord {
  const dead = { since, takenOverBy }
  const counter = record.counter - (takenOverBy === null ? 2 : 1)
  return { ...record, counter, leaving: true, about: { ...record.about, ended: true, dead } }
}

/** Returns the death records to remove: records older than a day, and all but the newest 20. */
export function outdatedDeaths(records: readonly NodeRecord[], now: number): readonly NodeRecord[] {
  const since = (record: NodeRecord): number => deathOf(record)?.since.getTime() ?? 0
  const newestFirst = records
    .filter((record) => deathOf(record) !== null)
    .sort((one, other) => since(other) - since(one))
  return newestFirst.filter((record, index) => index >= mostDeadKept || since(record) <= now - dayMs)
}
