import type { OccurrenceId } from '@jobistemer/core'
import type { CancelRequest, OccurrenceDetails, OccurrenceRecord, Owner } from '@jobistemer/core/storage'
import type { ByteWriter } from './byte-writer.ts'
import { readJobId } from './ids.ts'
import { orNever, readInstant } from './numbers.ts'
import { isRecovered, kindCode, kindOf, stateCodes, stateOf } from './record-codes.ts'
import { parseRuns, printRuns } from './runs-text.ts'

// How an occurrence is stored: numbers at fixed places, then five texts. The scripts read the numbers and copy the
// texts. `recordForm` of the scripts' prelude is the same layout; what changes most often is in front.
//
//   0 state   1 token   5 sequence   9 finishedAt   17 sizes of owner, details, cancel request and reason
//   33 kind   34 job version   38 job   54 scheduledAt   62 dueAt   70 createdAt   78 startedAt   86 timeout
//   94 owner, details, cancel request, reason, runs

const recordSize = 94

/** Added to the code of the kind when the details begin with the last slot of a span, as a number. */
const spanBit = 8

/** An owner as it is stored. Equal owners have equal texts, and all of one node's begin with {@link printNode}. */
export function printOwner({ node, incarnation }: Owner): string {
  return JSON.stringify([node, incarnation])
}

export function printNode(node: string): string {
  return `[${JSON.stringify(node)},`
}

export function parseOwner(text: string): Owner | null {
  if (text === '') return null
  const [node, incarnation] = JSON.parse(text) as [string, string]
  return { node, incarnation }
}

/** A reason as it is stored: empty is none, since an empty text can be one too. */
export function printReason(reason: string | null): string {
  return reason === null ? '' : `=${reason}`
}

export function parseReason(text: string): string | null {
  return text === '' ? null : text.slice(1)
}

export function parseCancelRequest(text: string): CancelRequest | null {
  return text === '' ? null : (JSON.parse(text) as CancelRequest)
}

/** What a record is written from: its owner is given as {@link printOwner} prints it. */
export type PrintedOccurrence = Omit<OccurrenceRecord, 'id' | 'owner' | 'deadlineAt' | 'cancelRequest'> & {
  readonly owner: string
}

/** Writes a new record, which nobody has asked to cancel, with its size in front. */
export function writeOccurrence(writer: ByteWriter, record: PrintedOccurrence): void {
  const { details, scheduledAt } = record
  const sizeAt = writer.length
  writer.uint32(0)
  const start = writer.length
  writer.byte(stateCodes[record.state])
  writer.uint32(record.token)
  writer.uint32(record.sequence)
  writer.number(orNever(record.finishedAt))
  const sizesAt = writer.length
  for (let part = 0; part < 4; part++) writer.uint32(0)
  const hasSpan = details.span !== undefined
  writer.byte(kindCode(record.kind, record.recovered) + (hasSpan ? spanBit : 0))
  writer.uint32(record.jobVersion)
  writer.id(record.jobId)
  writer.number(scheduledAt)
  writer.number(record.dueAt)
  writer.number(record.createdAt)
  writer.number(orNever(record.startedAt))
  writer.number(record.executionTimeoutMs)
  writer.setUint32(sizesAt, writer.text(record.owner))
  const detailsAt = writer.length
  if (details.span !== undefined) writer.number(details.span.to)
  writer.text(printDetails(details))
  writer.setUint32(sizesAt + 4, writer.length - detailsAt)
  writer.setUint32(sizesAt + 12, writer.text(printReason(record.reason)))
  writer.text(printRuns(record.runs, scheduledAt))
  writer.setUint32(sizeAt, writer.length - start)
}

/** The record that is stored in these bytes. */
export function readOccurrence(id: OccurrenceId, bytes: Buffer): OccurrenceRecord {
  const state = stateOf(bytes[0] as number)
  const kind = bytes[33] as number
  const scheduledAt = bytes.readDoubleLE(54)
  const startedAt = readInstant(bytes, 78)
  const executionTimeoutMs = bytes.readDoubleLE(86)
  const detailsAt = recordSize + bytes.readUInt32LE(17)
  const cancelAt = detailsAt + bytes.readUInt32LE(21)
  const reasonAt = cancelAt + bytes.readUInt32LE(25)
  const runsAt = reasonAt + bytes.readUInt32LE(29)
  const textAt = kind >= spanBit ? detailsAt + 8 : detailsAt
  return {
    id,
    jobId: readJobId(bytes, 38),
    scheduledAt,
    kind: kindOf(kind % spanBit),
    state,
    token: bytes.readUInt32LE(1),
    sequence: bytes.readUInt32LE(5),
    owner: parseOwner(bytes.toString('utf8', recordSize, detailsAt)),
    jobVersion: bytes.readUInt32LE(34),
    dueAt: bytes.readDoubleLE(62),
    createdAt: bytes.readDoubleLE(70),
    startedAt,
    finishedAt: readInstant(bytes, 9),
    executionTimeoutMs,
    deadlineAt: state === 'running' ? (startedAt as number) + executionTimeoutMs : null,
    reason: parseReason(bytes.toString('utf8', reasonAt, runsAt)),
    recovered: isRecovered(kind % spanBit),
    cancelRequest: parseCancelRequest(bytes.toString('utf8', cancelAt, reasonAt)),
    details: textAt === cancelAt ? {} : (JSON.parse(bytes.toString('utf8', textAt, cancelAt)) as OccurrenceDetails),
    runs: parseRuns(bytes.toString('utf8', runsAt), scheduledAt),
  }
}

function printDetails(details: OccurrenceDetails): string {
  for (const _ in details) return JSON.stringify(details)
  return ''
}
