import type { JobId } from '@jobistemer/core'
import { codec1, type CancelNotice, compareAddresses, type OccurrenceAddress } from '@jobistemer/core/storage'
import { parseCancelRequest } from './occurrence-form.ts'
import { layouts } from './layouts.ts'

const { readJobId, readOccurrenceId } = codec1

const none: readonly never[] = Object.freeze([])

/** Reads an occurrence's id and time. Returns `null` for an empty text. */
export function readAddress(bytes: Buffer, jobId: JobId, offset = 0): OccurrenceAddress | null {
  if (bytes.length <= offset) return null
  const { at } = layouts.address
  const id = readOccurrenceId(bytes, offset + at.id)
  return { id, jobId, scheduledAt: bytes.readDoubleLE(offset + at.scheduledAt) }
}

/** Reads ids and times of occurrences, and sorts them by time. */
export function readAddresses(bytes: Buffer, jobId: JobId): readonly OccurrenceAddress[] {
  if (bytes.length === 0) return none
  const addresses: OccurrenceAddress[] = []
  for (let offset = 0; offset < bytes.length; offset += layouts.address.size) {
    addresses.push(readAddress(bytes, jobId, offset) as OccurrenceAddress)
  }
  return addresses.sort(compareAddresses)
}

/**
 * Reads cancel notices: the running occurrences with a cancel request. `jobId` is `null` if each notice contains its job's id.
 */
export function readNotices(bytes: Buffer, jobId: JobId | null): readonly CancelNotice[] {
  if (bytes.length === 0) return none
  const notices: CancelNotice[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const id = readOccurrenceId(bytes, offset)
    const itsJob = jobId ?? readJobId(bytes, offset + 16)
    offset += jobId === null ? 32 : 16
    const textAt = offset + layouts.notice.size
    const end = textAt + bytes.readUInt32LE(offset + layouts.notice.at.cancelSize)
    notices.push({
      id,
      jobId: itsJob,
      scheduledAt: bytes.readDoubleLE(offset + layouts.notice.at.scheduledAt),
      token: bytes.readUInt32LE(offset + layouts.notice.at.token),
      reason: parseCancelRequest(bytes.toString('utf8', textAt, end))?.reason ?? 'canceled',
    })
    offset = end
  }
  return notices.sort(compareAddresses)
}
