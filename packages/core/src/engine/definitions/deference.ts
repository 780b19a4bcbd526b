import type { JobId } from '../../ids.ts'
import type { DefinitionOrigin } from '../../job/job-content.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { JobChange } from '../../storage/storage.ts'

/**
 * Why a node follows the stored definition of a job instead of the node's definition.
 *
 * - `lower_release`: a build with a higher release has stored it.
 * - `updated`: `update` or `apply` has changed the node's definition.
 * - `newer_build`: it has replaced the node's definition, and a living node has it.
 */
export type FollowReason = 'lower_release' | 'updated' | 'newer_build'

/** Questions about the definitions of other nodes. */
export interface OtherNodes {
  /** Stores this node's profile. Resolves when other nodes can read it. */
  tell(): Promise<void>
  /** Reads the living nodes and their definitions. */
  look(): Promise<void>
  /** Returns whether a living node has this definition. A node with an unknown profile counts as having it. */
  have(id: JobId, fingerprint: string): boolean
}

/** A node's own definition of a job. */
export interface OwnDefinition {
  readonly fingerprint: string
  /** The release of the node's build; `undefined` without one. */
  readonly release: number | undefined
  /**
   * The node has already followed another definition of this job. So its own definition is not a new one, even if it is not
   * in the stored lineage.
   */
  readonly hasFollowed: boolean
}

/** Returns why a node with this definition follows the stored one, or `null` if its own definition has precedence. */
export function reasonToFollow(own: OwnDefinition, record: JobRecord, others: OtherNodes): FollowReason | null {
  const { release, updates } = readJobDocument(record.definition)
  const lead = own.release === undefined || release === undefined ? 0 : own.release - release
  if (lead < 0) return 'lower_release'
  // A definition that was never in force comes from a newer build. It has precedence over those of all living nodes.
  if (!own.hasFollowed && !record.lineage.includes(own.fingerprint)) return null
  if (own.fingerprint === updates) return 'updated'
  if (lead > 0) return null
  const isHeld =
    others.have(record.id, record.fingerprint) || (updates !== undefined && others.have(record.id, updates))
  return isHeld ? 'newer_build' : null
}

/** Returns whether a change puts an earlier definition of the job back into force. */
export function goesBack(change: JobChange | null, record: JobRecord | null): boolean {
  return change?.kind === 'replace' && record !== null && record.lineage.includes(change.content.fingerprint)
}

/** Returns the origin to store with a change by `update`, `add` or `apply`. */
export function originOfUpdate(record: JobRecord, ownRelease?: number): DefinitionOrigin {
  const { release, updates = record.fingerprint } = readJobDocument(record.definition)
  const releases = [release, ownRelease].filter((one) => one !== undefined)
  return { updates, ...(releases.length > 0 && { release: Math.max(...releases) }) }
}
