import type { JobId } from '@jobistemer/core'
import {
  codec1,
  definitionOfStored,
  type JobContent,
  type JobRecord,
  type JobVersionRecord,
  objectOfStored,
  type OverlapPolicy,
  overlapRuleOf,
  parseStored,
  pauseOfStored,
  type ScheduleSegment,
  timelineOfStored,
} from '@jobistemer/core/storage'
import { readInstant } from './numbers.ts'
import { headLayout, timesLayout, versionLayout } from './stored-layouts.ts'

const { policyOf, readJobId } = codec1

// How a job is stored: its head as `headLayout` says, and beside it the content as JSON, one text for each version, and
// the times of its changes.

const { size: headSize, at: headAt } = headLayout

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
  const size = Buffer.allocUnsafe(versionLayout.size - versionLayout.at.fingerprintSize)
  size.writeUInt32LE(text.length)
  return Buffer.concat([size, text, Buffer.from(JSON.stringify(definition))])
}

type VersionContent = Pick<JobVersionRecord, 'fingerprint' | 'definition' | 'createdAt'>

export function readVersion(bytes: Buffer): VersionContent {
  // A damaged version may be shorter than the numbers that every version begins with.
  if (bytes.length < versionLayout.size) {
    return { fingerprint: '', definition: definitionOfStored(undefined), createdAt: 0 }
  }
  const start = versionLayout.size
  const end = start + bytes.readUInt32LE(versionLayout.at.fingerprintSize)
  return {
    fingerprint: bytes.toString('utf8', start, end),
    definition: definitionOfStored(parseStored(bytes.toString('utf8', end))),
    createdAt: bytes.readDoubleLE(versionLayout.at.createdAt),
  }
}

export function readJob([id, head, content, lineage, paused, times, version]: JobParts): JobRecord {
  const { name, owner, timeline } = readContent(content, id)
  const { fingerprint, definition } = readVersion(version)
  const startLimit = head.readUInt16LE(headAt.startLimit)
  const starts = readStarts(head)
  const handlerAt = headSize + 8 * starts.length
  const overlap = overlapRuleOf(
    policyOf(head[headAt.policy] as number) as OverlapPolicy,
    head.readDoubleLE(headAt.maxQueued),
    head.readUInt16LE(headAt.maxConcurrency),
    startLimit === 0 ? null : { limit: startLimit, intervalMs: head.readDoubleLE(headAt.startInterval) },
  )
  return {
    id: readJobId(id, 0),
    name,
    owner,
    version: head.readUInt32LE(headAt.version),
    fingerprint,
    lineage: readLineage(lineage),
    definition,
    handlerKey: head.length === handlerAt ? readJobId(id, 0) : head.toString('utf8', handlerAt),
    overlap,
    timeline,
    watermark: head.readDoubleLE(headAt.watermark),
    nextAt: readInstant(head, headAt.nextAt),
    pruneFloor: readInstant(head, headAt.floor),
    paused: paused.length === 0 ? null : pauseOfStored(parseStored(paused.toString())),
    cancelsBelow: head.readUInt32LE(headAt.cancelsBelow) || null,
    ...(starts.length > 0 && { starts }),
    createdAt: times.readDoubleLE(timesLayout.at.createdAt),
    changedAt: times.readDoubleLE(timesLayout.at.changedAt),
    deletedAt: readInstant(head, headAt.deletedAt),
  }
}

/** A job with a damaged content is named by its id. */
function readContent(content: Buffer, id: Buffer): StoredContent {
  const { name, owner, timeline } = objectOfStored(parseStored(content.toString()))
  return {
    name: typeof name === 'string' ? name : readJobId(id, 0),
    owner: typeof owner === 'string' ? owner : null,
    timeline: timelineOfStored(timeline),
  }
}

function readStarts(head: Buffer): readonly number[] {
  const count = head.readUInt16LE(headAt.startCount)
  return Array.from({ length: count }, (_, index) => head.readDoubleLE(headSize + 8 * index))
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
