import type { OccurrenceId } from '@jobistemer/core'
import {
  codec1,
  type CancelRequest,
  cancelRequestOfStored,
  detailsOfStored,
  type OccurrenceRecord,
  type Owner,
  parseStored,
  withRunsOfStored,
} from '@jobistemer/core/storage'
import type { ByteWriter } from './byte-writer.ts'
import { orNever, readInstant } from './layout.ts'
import { mostRescues, recordLayout, rescueStep, spanBit } from './layouts.ts'

const { isRecovered, kindCode, kindOf, parseRuns, printDetails, printRuns, readJobId, stateCodes, stateOf } = codec1

// The stored form of an occurrence: the numbers of `recordLayout`, then five texts. Scripts read the numbers and copy
// the texts.

const { size: recordSize, at } = recordLayout

/** Returns the stored text of an owner, which begins with the text of {@link printNode}. Equal owners have equal texts. */
export function printOwner({ node, incarnation }: Owner): string {
  return JSON.stringify([node, incarnation])
}

export function printNode(node: string): string {
  return `[${JSON.stringify(node)},`
}

// Caches the last parsed owner, because records that are read together mostly have one owner.
let lastOwnerText = ''
let lastOwner: Owner | null = null

export function parseOwner(text: string): Owner | null {
  if (text === '') return null
  if (text === lastOwnerText) return lastOwner
  const [node, incarnation] = JSON.parse(text) as [string, string]
  lastOwnerText = text
  lastOwner = Object.freeze({ node, incarnation })
  return lastOwner
}

/** Prints a reason or a tag in its stored form. An empty text stands for `null`, so an empty reason has another stored form. */
export function printOptional(text: string | null): string {
  return text === null ? '' : `=${text}`
}

export function parseReason(text: string): string | null {
  return text === '' ? null : text.slice(1)
}

export function parseCancelRequest(text: string): CancelRequest | null {
  return text === '' ? null : cancelRequestOfStored(parseStored(text))
}

/** The part of an occurrence that its stored record contains. */
export type NewOccurrence = Omit<OccurrenceRecord, 'id' | 'owner' | 'deadlineAt' | 'cancelRequest'> &
  Partial<Pick<OccurrenceRecord, 'cancelRequest'>>

/** Writes an occurrence's record. `owner` is the text that {@link printOwner} has printed. Returns the size in bytes. */
export function writeOccurrence(writer: ByteWriter, record: NewOccurrence, owner: string = ''): number {
  const { details, scheduledAt, cancelRequest = null } = record
  const start = writer.skip(recordSize)
  const hasSpan = details.span !== undefined
  writer.setByte(start + at.state, stateCodes[record.state])
  writer.setUint32(start + at.token, record.token)
  writer.setUint32(start + at.sequence, record.sequence)
  writer.setNumber(start + at.finishedAt, orNever(record.finishedAt))
  writer.setByte(start + at.kind, kindCode(record.kind, record.recovered) + (hasSpan ? spanBit : 0))
  writer.setUint32(start + at.version, record.jobVersion)
  writer.setId(start + at.job, record.jobId)
  writer.setNumber(start + at.scheduledAt, scheduledAt)
  writer.setNumber(start + at.dueAt, record.dueAt)
  const priority = ((details.priority ?? 0) + rescueStep) % rescueStep
  writer.setUint16(start + at.standing, Math.min(record.rescues, mostRescues) * rescueStep + priority)
  writer.setNumber(start + at.createdAt, record.createdAt)
  writer.setNumber(start + at.startedAt, orNever(record.startedAt))
  writer.setNumber(start + at.timeout, record.executionTimeoutMs)
  writer.setUint32(start + at.ownerSize, writer.text(owner))
  const detailsAt = writer.length
  if (details.span !== undefined) writer.number(details.span.to)
  writer.text(printDetails(details) ?? '')
  writer.setUint32(start + at.detailsSize, writer.length - detailsAt)
  writer.setUint32(start + at.cancelSize, cancelRequest === null ? 0 : writer.text(JSON.stringify(cancelRequest)))
  writer.setUint32(start + at.reasonSize, writer.text(printOptional(record.reason)))
  writer.text(printRuns(record.runs, scheduledAt) ?? '')
  return writer.length - start
}

/** Reads an occurrence from the bytes of its stored record. */
export function readOccurrence(id: OccurrenceId, bytes: Buffer): OccurrenceRecord {
  const state = stateOf(bytes[at.state] as number)
  const kind = bytes[at.kind] as number
  const scheduledAt = bytes.readDoubleLE(at.scheduledAt)
  const startedAt = readInstant(bytes, at.startedAt)
  const executionTimeoutMs = bytes.readDoubleLE(at.timeout)
  const detailsAt = recordSize + bytes.readUInt32LE(at.ownerSize)
  const cancelAt = detailsAt + bytes.readUInt32LE(at.detailsSize)
  const reasonAt = cancelAt + bytes.readUInt32LE(at.cancelSize)
  const runsAt = reasonAt + bytes.readUInt32LE(at.reasonSize)
  const textAt = kind >= spanBit ? detailsAt + 8 : detailsAt
  return {
    id,
    jobId: readJobId(bytes, at.job),
    scheduledAt,
    kind: kindOf(kind % spanBit),
    state,
    token: bytes.readUInt32LE(at.token),
    sequence: bytes.readUInt32LE(at.sequence),
    owner: parseOwner(bytes.toString('utf8', recordSize, detailsAt)),
    jobVersion: bytes.readUInt32LE(at.version),
    dueAt: bytes.readDoubleLE(at.dueAt),
    createdAt: bytes.readDoubleLE(at.createdAt),
    startedAt,
    finishedAt: readInstant(bytes, at.finishedAt),
    executionTimeoutMs,
    deadlineAt: state === 'running' ? (startedAt as number) + executionTimeoutMs : null,
    reason: parseReason(bytes.toString('utf8', reasonAt, runsAt)),
    recovered: isRecovered(kind % spanBit),
    rescues: Math.floor(bytes.readUInt16LE(at.standing) / rescueStep),
    cancelRequest: parseCancelRequest(bytes.toString('utf8', cancelAt, reasonAt)),
    ...withRunsOfStored(
      textAt === cancelAt ? {} : detailsOfStored(parseStored(bytes.toString('utf8', textAt, cancelAt))),
      parseRuns(bytes.toString('utf8', runsAt), scheduledAt),
    ),
  }
}
