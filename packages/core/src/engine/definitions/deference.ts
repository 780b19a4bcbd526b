import type { JobId } from '../../ids.ts'
import type { DefinitionOrigin } from '../../job/job-content.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { JobChange } from '../../storage/storage.ts'

/**
 * Why a node goes by the stored definition of a job, and not by its own.
 *
 * - `lower_release`: a build of a higher release has stored it.
 * - `updated`: `update` or `apply` has changed the definition that the node has.
 * - `newer_build`: it has replaced the node's own one, and a living node has it.
 */
export type FollowReason = 'lower_release' | 'updated' | 'newer_build'

/** What is asked about the other nodes. */
export interface OtherNodes {
  /** Tells them which definitions this node has; resolves when they can know of it. */
  tell(): Promise<void>
  /** Looks who lives now, and learns which definitions they have. */
  look(): Promise<void>
  /** Whether a living one has this definition. One of which that is not known has it. */
  have(id: JobId, fingerprint: string): boolean
}

/** A definition of a node's own. */
export interface OwnDefinition {
  readonly fingerprint: string
  /** The release of the node's build; `undefined` where it gives none. */
  readonly release: number | undefined
  /** The node has followed another one of this job already, so this is no news even where the storage does not know it. */
  readonly hasFollowed: boolean
}

/** Why a node with this definition follows the stored one; `null` when its own is to be in force. */
export function reasonToFollow(own: OwnDefinition, record: JobRecord, others: OtherNodes): FollowReason | null {
  const { release, updates } = readJobDocument(record.definition)
  const lead = own.release === undefined || release === undefined ? 0 : own.release - release
  if (lead < 0) return 'lower_release'
  // A definition that was never in force is of a newer build, whatever lives.
  if (!own.hasFollowed && !record.lineage.includes(own.fingerprint)) return null
  if (own.fingerprint === updates) return 'updated'
  if (lead > 0) return null
  const isHeld =
    others.have(record.id, record.fingerprint) || (updates !== undefined && others.have(record.id, updates))
  return isHeld ? 'newer_build' : null
}

/** Whether a change puts a definition into force that was in force before. */
export function goesBack(change: JobChange | null, record: JobRecord | null): boolean {
  return change?.kind === 'replace' && record !== null && record.lineage.includes(change.content.fingerprint)
}

/** What is stored with a change that somebody has asked for. */
export function originOfUpdate(record: JobRecord, ownRelease?: number): DefinitionOrigin {
  const { release, updates = record.fingerprint } = readJobDocument(record.definition)
  const releases = [release, ownRelease].filter((one) => one !== undefined)
  return { updates, ...(releases.length > 0 && { release: Math.max(...releases) }) }
}
