import type { JobId } from '@jobistemer/core'
import {
  codec1,
  definitionOfStored,
  type JobContent,
  type JobRecord,
  type JobVersionRecord,
  type LedgerHead,
  objectOfStored,
  overlapRuleOf,
  parseStored,
  pauseOfStored,
  type ScheduleSegment,
  type StoredJob,
  timelineOfStored,
} from '@jobistemer/core/storage'
import { ByteWriter } from './byte-writer.ts'
import { always, instantOf, never, orNever, parseFields, printFields } from './layout.ts'
import { headLayout, timesLayout, versionLayout } from './layouts.ts'

const { policyCodes, policyOf, readJobId } = codec1

// The functions below print and read the parts in which Redis stores a job. Some parts are binary fields: the head, the
// times, and the numbers of a version (see `headLayout`, `timesLayout` and `versionLayout`). The content and each
// definition are JSON.

const { size: headSize, at: headAt } = headLayout

/** A job as scripts return it: id, head, content, lineage, pause, times and version in force. */
export type JobParts = readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]

interface StoredContent {
  readonly name: string
  readonly owner: string | null
  readonly timeline: readonly ScheduleSegment[]
}

export function printContent({ name, owner, timeline }: JobContent): string {
  return JSON.stringify({ name, owner, timeline } satisfies StoredContent)
}

export function printVersion({ fingerprint, definition, createdAt }: VersionContent): Buffer {
  const text = Buffer.from(fingerprint)
  const numbers = printFields(versionLayout, { createdAt, fingerprintSize: text.length })
  return Buffer.concat([numbers, text, Buffer.from(JSON.stringify(definition))])
}

/** Prints the fingerprints of earlier versions, newest first, each after its size. */
export function printLineage(lineage: readonly string[]): Buffer {
  const writer = new ByteWriter(lineage.length)
  for (const fingerprint of lineage) writer.setUint32(writer.skip(4), writer.text(fingerprint))
  return writer.finish()
}

/**
 * Prints a job's head after a step. Keeps the counts of the stored head, because the script updates them with each
 * occurrence.
 */
export function printHead(before: Buffer | null, head: LedgerHead): Buffer {
  const starts = head.starts ?? []
  const { policy, maxQueued, maxConcurrency = 1, startRate } = head.overlap
  const fixed = Buffer.alloc(headSize + 8 * starts.length)
  if (before !== null) before.copy(fixed, 0, 0, headSize)
  else fixed.writeDoubleLE(always, headAt.taken)
  if (before !== null && head.version !== before.readUInt32LE(headAt.version)) fixed.writeUInt32LE(0, headAt.uses)
  // `taken` is the latest slot that may have a record. A realign moves the watermark back, but slots up to the previous
  // watermark may still have records. So after a realign, `taken` is at least the previous watermark.
  const setBackFrom = before?.readDoubleLE(headAt.watermark) ?? always
  const taken = Math.max(fixed.readDoubleLE(headAt.taken), head.watermark < setBackFrom ? setBackFrom : always)
  const values = {
    ...{ taken, maxQueued, maxConcurrency, version: head.version, watermark: head.watermark },
    ...{ nextAt: orNever(head.nextAt), deletedAt: orNever(head.deletedAt), floor: head.pruneFloor ?? always },
    pausedUntil: head.paused === null ? always : orNever(head.paused.until ?? null),
    ...{ policy: policyCodes[policy], cancelsBelow: head.cancelsBelow ?? 0, startCount: starts.length },
    ...{ startLimit: startRate?.limit ?? 0, startInterval: startRate?.intervalMs ?? 0 },
  }
  printFields(headLayout, values, fixed)
  for (const [index, start] of starts.entries()) fixed.writeDoubleLE(start, headSize + 8 * index)
  // The handler key is stored only if it differs from the job's id.
  return Buffer.concat([fixed, Buffer.from(head.handlerKey === head.id ? '' : head.handlerKey)])
}

type VersionContent = Pick<JobVersionRecord, 'fingerprint' | 'definition' | 'createdAt'>

export function readVersion(bytes: Buffer): VersionContent {
  // The bytes of a damaged version may be too few for its fixed fields. This function then reads zeros for all these fields.
  if (bytes.length < versionLayout.size) return readVersion(Buffer.alloc(versionLayout.size))
  const { createdAt, fingerprintSize } = parseFields(versionLayout, bytes)
  const end = versionLayout.size + fingerprintSize
  const definition = definitionOfStored(parseStored(bytes.toString('utf8', end)))
  return { fingerprint: bytes.toString('utf8', versionLayout.size, end), definition, createdAt }
}

/** Reads the part of a job that steps on occurrences need. For a pause, the head stores only its end. */
function readHead(id: JobId, head: Buffer): LedgerHead {
  const fields = parseFields(headLayout, head)
  const { version, watermark, pausedUntil, maxQueued, maxConcurrency, startLimit, startInterval } = fields
  const starts = Array.from({ length: fields.startCount }, (_, index) => head.readDoubleLE(headSize + 8 * index))
  const handlerAt = headSize + 8 * starts.length
  const startRate = startLimit === 0 ? null : { limit: startLimit, intervalMs: startInterval }
  return {
    ...{ id, version, watermark, nextAt: instantOf(fields.nextAt), deletedAt: instantOf(fields.deletedAt) },
    handlerKey: head.length === handlerAt ? id : head.toString('utf8', handlerAt),
    overlap: overlapRuleOf(policyOf(fields.policy), maxQueued, maxConcurrency, startRate),
    pruneFloor: instantOf(fields.floor),
    paused: pausedUntil === always ? null : pausedUntil === never ? {} : { until: pausedUntil },
    cancelsBelow: fields.cancelsBelow || null,
    ...(starts.length > 0 && { starts }),
  }
}

/** Reads a job's head and counts, and the whole job if the script returned its parts. */
export function readStoredJob(id: JobId, head: Buffer, parts: JobParts | readonly []): StoredJob {
  const job = parts.length === 0 ? null : readJob(parts)
  return { head: job ?? readHead(id, head), counts: parseFields(headLayout, head), job }
}

export function readJob([id, text, content, lineage, paused, times, version]: JobParts): JobRecord {
  const head = readHead(readJobId(id, 0), text)
  const { name, owner, timeline } = readContent(content, id)
  const { fingerprint, definition } = readVersion(version)
  return {
    ...head,
    name,
    owner,
    fingerprint,
    lineage: readLineage(lineage),
    definition,
    timeline,
    paused: paused.length === 0 ? null : pauseOfStored(parseStored(paused.toString())),
    ...parseFields(timesLayout, times),
  }
}

/** Reads a job's content. If the name is damaged, the job's id replaces the name. */
function readContent(content: Buffer, id: Buffer): StoredContent {
  const { name, owner, timeline } = objectOfStored(parseStored(content.toString()))
  return {
    name: typeof name === 'string' ? name : readJobId(id, 0),
    owner: typeof owner === 'string' ? owner : null,
    timeline: timelineOfStored(timeline),
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
