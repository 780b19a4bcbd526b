import { hash } from 'node:crypto'
import type { JobOverrides } from '../../configuration/settings.ts'
import type { JobId } from '../../ids.ts'
import type { Job } from '../../job/define-job.ts'
import { fingerprintOfJob } from '../../job/job-content.ts'
import type { NodeProfile, NodeRecord } from '../../storage/node-record.ts'
import type { HeartbeatAnswer } from '../../storage/storage.ts'
import type { NodeCode } from './peers.ts'
import { fnv1a } from './shard-assignment.ts'
import { mostJsonBytes } from '../../tuning.ts'
import { bytesPerMark } from './tuning.ts'

/** The part of a job that determines which code the job needs. */
export interface JobCode {
  readonly id: JobId
  /** The tasks of the job. A task with a `handler` uses a named handler of the node; any other task has its own code. */
  readonly tasks: readonly { readonly name: string; readonly handler?: string | undefined }[]
}

/** The capabilities of a node: the jobs for which it has code, and its definitions. */
export interface NodeCapabilities {
  /** Returns whether the node has the code of every task of this job. */
  canRun(job: JobCode): boolean
  /** Returns whether the node has this definition. Returns true if the node's definitions are unknown. */
  hasDefinition(id: JobId, fingerprint: string): boolean
}

interface CapabilitiesProfile {
  /** Names of the handlers that the node has. */
  readonly handlers: readonly string[]
  /**
   * Hashes of the tasks that have functions, in base64, see `markOf`. Each task has its own hash, because another build
   * may have other tasks in the same job.
   */
  readonly functions: string
  /** Hashes of the definitions, in base64, see `markOf`. Absent if the node has too many definitions. */
  readonly definitions?: string
}

/**
 * Returns the code of a node with this build, as a profile and its digest. If the profile is larger than a storage accepts,
 * the profile omits the definitions. If the profile is still too large, the node stores no profile.
 */
export function codeOf(build: {
  /** The jobs of the build, in the versions that the node runs. */
  readonly jobs: Iterable<JobCode>
  /** The jobs, as the code of the build defines them, without changes by `update` and `apply`. */
  readonly definitions: Iterable<Job>
  readonly handlers: Iterable<string>
  readonly defaults: JobOverrides
}): NodeCode {
  const { defaults } = build
  const functions = Array.from(build.jobs, marksOf).flat().sort()
  const definitions = Array.from(build.definitions, (job) => markOf(job.id, fingerprintOfJob(job, defaults))).sort()
  const handlers = [...build.handlers].sort()
  const digest = hash('sha256', JSON.stringify([handlers, functions, definitions]), 'hex').slice(0, 16)
  const code = { handlers, functions: printMarks(functions) }
  const profiles: readonly NodeProfile[] = [{ ...code, definitions: printMarks(definitions) }, code]
  const fits = (profile: NodeProfile) => Buffer.byteLength(JSON.stringify(profile)) <= mostJsonBytes
  return { profile: profiles.find(fits) ?? null, digest }
}

/** Returns the capabilities that a stored profile states. Without a profile (`null`), the node can run no job. */
export function readNodeCapabilities(profile: NodeProfile | null): NodeCapabilities {
  const { handlers = [], functions = '', definitions } = (profile ?? {}) as Partial<CapabilitiesProfile>
  const names = new Set(handlers)
  const marks = readMarks(functions)
  const defined = definitions === undefined ? null : readMarks(definitions)
  return {
    canRun: (job) =>
      marksOf(job).every((mark) => marks.has(mark)) &&
      job.tasks.every(({ handler }) => handler === undefined || names.has(handler)),
    hasDefinition: (id, fingerprint) => defined === null || defined.has(markOf(id, fingerprint)),
  }
}

/** Returns the digest of a node's code. Nodes with the same digest form a code group. */
export function codeDigestOf({ about }: NodeRecord): string {
  return String(about.code)
}

/** Remembers the capabilities of nodes by the digest of their code. Most nodes share one digest. */
export class KnownCapabilities {
  readonly #known = new Map<string, NodeCapabilities>()

  /** Returns the capabilities of a node; `undefined` if {@link learn} has found no profile of it. */
  of(record: NodeRecord): NodeCapabilities | undefined {
    return this.#known.get(codeDigestOf(record))
  }

  /** Reads the unknown profiles of these nodes, one profile per digest. Forgets each digest that none of these nodes has. */
  async learn(
    records: readonly NodeRecord[],
    read: (profilesOf: readonly string[]) => Promise<Pick<HeartbeatAnswer, 'profiles'>>,
  ): Promise<void> {
    const unknown = new Map(records.map((record) => [codeDigestOf(record), record.incarnation]))
    for (const digest of this.#known.keys()) if (!unknown.delete(digest)) this.#known.delete(digest)
    if (unknown.size === 0) return
    const { profiles } = await read([...unknown.values()])
    for (const [index, digest] of [...unknown.keys()].entries()) {
      const profile = profiles[index] ?? null
      if (profile !== null) this.#known.set(digest, readNodeCapabilities(profile))
    }
  }
}

function printMarks(marks: readonly string[]): string {
  return Buffer.from(marks.join(''), 'hex').toString('base64')
}

function readMarks(text: string): ReadonlySet<string> {
  const digits = Buffer.from(text, 'base64').toString('hex')
  return new Set(digits.match(new RegExp(`.{${2 * bytesPerMark}}`, 'g')))
}

/** Returns the hashes of a job's tasks that have functions instead of handler names. */
function marksOf({ id, tasks }: JobCode): readonly string[] {
  return tasks.filter(({ handler }) => handler === undefined).map(({ name }) => markOf(id, name))
}

/**
 * Returns the short hash of a task or a definition, for the profile of a node. The hash comes from two FNV-1a hashes with
 * different primes. A node computes each hash again for every profile, because a cache of hashes would take much memory.
 */
function markOf(id: JobId, text: string): string {
  const whole = `${id} ${text}`
  const bytes = Buffer.alloc(8)
  bytes.writeInt32BE(fnv1a(whole))
  bytes.writeInt32BE(fnv1a(whole, 0x85ebca6b), 4)
  return bytes.toString('hex', 0, bytesPerMark)
}
