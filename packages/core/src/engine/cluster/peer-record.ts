import type { NodeProfile, NodeRecord } from '../../storage/node-record.ts'
import { dayMs } from '../../tuning.ts'
import { mostDeadKept } from './tuning.ts'

// What the engine itself stores in the `about` of a node record, and reads from it.

/** The code of a node, as it tells other nodes. */
export interface NodeCode {
  /** `null` if it would be too large. */
  readonly profile: NodeProfile | null
  /** Equal on nodes with the same code and definitions. */
  readonly digest: string
}

/**
 * The death of a node, as its record states it. Nodes remove that record after a day. They remove it earlier if the dead node
 * starts again under its name, or if more than 20 deaths are stored.
 */
export interface NodeDeath {
  /** Since when the observer counts its silence: the last heartbeat, or the end of a later outage of the storage. */
  readonly since: Date
  /** The node that took over the runs of the dead node; `null` until then, and if the dead node had no runs. */
  readonly takenOverBy: string | null
}

/** The silence after which a node is dead, as its record states it, in ms; `null` if it states none. */
export function deadAfterOf({ about: { deadAfterMs } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof deadAfterMs === 'number' ? deadAfterMs : null
}

/** The end of a call of `runDue`, in epoch ms, as its record states it; `null` for any other node. */
export function callEndsAtOf({ about: { callEndsAt } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof callEndsAt === 'number' ? callEndsAt : null
}

/** Whether the record says that its node has shut down. */
export function hasEnded({ about }: Pick<NodeRecord, 'about'>): boolean {
  return about.ended === true
}

/** Version of this process's time zone data; the version of ICU if Node.js does not state the former. */
export const timeZoneVersion: string = process.versions.tz ?? `ICU ${process.versions.icu ?? 'unknown'}`

/** Version of a node's time zone data; `null` if its record states none. */
export function timeZoneVersionOf({ about: { versions } }: Pick<NodeRecord, 'about'>): string | null {
  return (versions as { readonly timeZones?: string } | undefined)?.timeZones ?? null
}

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
 * Returns the record that states the death of a node, for `Heartbeats.stateDeath`. A storage keeps the record with the larger
 * counter. Let `n` be the counter of the last heartbeat. The counter is `n - 1` if the record names a successor, else `n - 2`:
 * - If the node was not dead, its next heartbeat replaces this record.
 * - A record that names a successor replaces a record that names none, never the reverse.
 */
export function recordOfDead(record: NodeRecord, { since, takenOverBy }: StoredDeath): NodeRecord {
  const dead = { since, takenOverBy }
  const counter = record.counter - (takenOverBy === null ? 2 : 1)
  return { ...record, counter, leaving: true, about: { ...record.about, ended: true, dead } }
}

/** Records of dead nodes to remove: they are too old, or too many. */
export function outdatedDeaths(records: readonly NodeRecord[], now: number): readonly NodeRecord[] {
  const since = (record: NodeRecord): number => deathOf(record)?.since.getTime() ?? 0
  const newestFirst = records
    .filter((record) => deathOf(record) !== null)
    .sort((one, other) => since(other) - since(one))
  return newestFirst.filter((record, index) => index >= mostDeadKept || since(record) <= now - dayMs)
}
