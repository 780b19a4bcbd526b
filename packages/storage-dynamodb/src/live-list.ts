import type { JobId } from '@jobistemer/core'
import type { OccurrenceAddress, OccurrenceRecord } from '@jobistemer/core/storage'
import { uuidOf } from './keys.ts'

// A head stores its lists of live occurrences in binary form, 22 bytes for each occurrence. Every step pays for the
// size of the head.

const entryBytes = 22
const instantBytes = 6
// Offset that makes stored instants positive. 48 bits of milliseconds cover about 9,000 years, half of these years before 1970.
const origin = 2 ** 47

export function printLiveList(entries: readonly OccurrenceAddress[]): Uint8Array {
  const bytes = Buffer.alloc(entries.length * entryBytes)
  for (const [index, { id, scheduledAt }] of entries.entries()) {
    const start = index * entryBytes
    bytes.writeUIntBE(scheduledAt + origin, start, instantBytes)
    bytes.write(uuidOf(id).replaceAll('-', ''), start + instantBytes, 'hex')
  }
  return bytes
}

export function parseLiveList(jobId: JobId, value: Uint8Array | undefined): readonly OccurrenceAddress[] {
  if (value === undefined) return []
  const bytes = Buffer.from(value)
  const entries: OccurrenceAddress[] = []
  for (let start = 0; start < bytes.length; start += entryBytes) {
    const hex = bytes.toString('hex', start + instantBytes, start + entryBytes)
    const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    entries.push({ id: `occ_${uuid}`, jobId, scheduledAt: bytes.readUIntBE(start, instantBytes) - origin })
  }
  return entries
}

/** A waiting occurrence, with the members that core's `compareOrder` compares. */
export interface Waiting extends OccurrenceAddress {
  readonly details: Pick<OccurrenceRecord['details'], 'priority'>
}

/** The details of a waiting occurrence without a priority. */
export const ordinary: Waiting['details'] = Object.freeze({})

export function waitingOf({ id, jobId, scheduledAt, details: { priority } }: Waiting): Waiting {
  return { id, jobId, scheduledAt, details: priority === undefined ? ordinary : { priority } }
}

/**
 * Returns the priorities of the entries as one byte per entry, or `null` if no entry has a priority. The head stores
 * these bytes beside the list.
 */
export function printPriorities(entries: readonly Waiting[]): Uint8Array | null {
  if (entries.every(({ details }) => details.priority === undefined)) return null
  return new Uint8Array(Int8Array.from(entries, ({ details }) => details.priority ?? 0).buffer)
}

export function withPriorities(
  entries: readonly OccurrenceAddress[],
  priorities: Uint8Array | undefined,
): readonly Waiting[] {
  const bytes = Int8Array.from(priorities ?? [])
  return entries.map((entry, index) => {
    const priority = bytes[index] ?? 0
    return { ...entry, details: priority === 0 ? ordinary : { priority } }
  })
}
