import type { JobId, JsonObject } from '@jobistemer/core'
import type {
  JobContent,
  JobRecord,
  JobVersionRecord,
  OverlapPolicy,
  OverlapRule,
  PauseRecord,
  ScheduleSegment,
} from '@jobistemer/core/storage'
import { readJobId } from './ids.ts'
import { readInstant } from './numbers.ts'
import { policyOf } from './record-codes.ts'

// How a job is stored. Its head holds what every step looks at, at fixed places as `headForm` of the scripts' prelude
// says:
//
//   0 the active one   16 running   20 pending   24 queued   28 occurrences of this version   32 watermark   40 nextAt
//   48 version   52 paused   53 policy   54 pruneFloor   62 taken until   70 deletedAt   78 maxQueued   86 handler key, where it is not
//   the job's own id
//
// All else is kept beside it: the content as JSON, one text for each version, and the times of its changes.

const headSize = 86

/** A job as a script answers it: id, head, content, lineage, pause, times and version in force. */
export type JobParts = readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]

interface StoredContent {
  readonly name: string
  readonly owner: string | null
  readonly timeline: readonly ScheduleSegment[]
}

export function printContent({ name, owner, timeline }: JobContent): string {
  return JSON.stringify({ name, owner, timeline } satisfies StoredContent)
}

/** A handler key as it is stored: empty when it is the id of the job, as it is for most. */
export function printHandlerKey(handlerKey: string, job: JobId): string {
  return handlerKey === job ? '' : handlerKey
}

/** A tag as it is stored and compared; empty is none. */
export function printTag(owner: string | null): string {
  return owner === null ? '' : `=${owner}`
}

/** The version that a content makes, without its time: that is put in front by the script. */
export function printVersion({ fingerprint, definition }: Pick<JobContent, 'fingerprint' | 'definition'>): Buffer {
  const text = Buffer.from(fingerprint)
  const size = Buffer.allocUnsafe(4)
  size.writeUInt32LE(text.length)
  return Buffer.concat([size, text, Buffer.from(JSON.stringify(definition))])
}

type VersionContent = Pick<JobVersionRecord, 'fingerprint' | 'definition' | 'createdAt'>

export function readVersion(bytes: Buffer): VersionContent {
  const end = 12 + bytes.readUInt32LE(8)
  return {
    fingerprint: bytes.toString('utf8', 12, end),
    definition: JSON.parse(bytes.toString('utf8', end)) as JsonObject,
    createdAt: bytes.readDoubleLE(0),
  }
}

export function readJob([id, head, content, lineage, paused, times, version]: JobParts): JobRecord {
  const { name, owner, timeline } = JSON.parse(content.toString()) as StoredContent
  const { fingerprint, definition } = readVersion(version)
  const overlap: OverlapRule = {
    policy: policyOf(head[53] as number) as OverlapPolicy,
    maxQueued: head.readDoubleLE(78),
  }
  return {
    id: readJobId(id, 0),
    name,
    owner,
    version: head.readUInt32LE(48),
    fingerprint,
    lineage: readLineage(lineage),
    definition,
    handlerKey: head.length === headSize ? readJobId(id, 0) : head.toString('utf8', headSize),
    overlap,
    timeline,
    watermark: head.readDoubleLE(32),
    nextAt: readInstant(head, 40),
    pruneFloor: readInstant(head, 54),
    paused: paused.length === 0 ? null : (JSON.parse(paused.toString()) as PauseRecord),
    createdAt: times.readDoubleLE(0),
    changedAt: times.readDoubleLE(8),
    deletedAt: readInstant(head, 70),
  }
}

function readLineage(bytes: Buffer): readonly string[] {
  const fingerprints: string[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const start = offset + 4
    offset = start + bytes.readUInt32LE(offset)
    fingerprints.push(bytes.toString('utf8', start, offset))
  }
  return fingerprints
}
