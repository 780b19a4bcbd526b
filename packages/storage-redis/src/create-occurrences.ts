import {
  type CreateAnswer,
  type CreateItem,
  type CreateOccurrencesRequest,
  createdOccurrence,
  excludedOccurrence,
  isStartable,
  type Owner,
  recoveredOccurrence,
} from '@jobistemer/core/storage'
import { runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import { printAddresses } from './ids.ts'
import type { Ledger } from './ledger.ts'
import { orNever, readInstant } from './numbers.ts'
import { type PrintedOccurrence, parseOwner, parseReason, printOwner, writeOccurrence } from './occurrence-form.ts'
import { stateOf } from './record-codes.ts'
import { readAddresses, readNotices } from './replies.ts'
import { scripts } from './script.ts'

const itemKinds = { slot: 0, trigger: 1, replay: 2, exclusion: 3, recovery: 4 } as const

const started: CreateAnswer = Object.freeze({
  outcome: 'created',
  state: 'running',
  token: 1,
  reason: null,
  displaced: Object.freeze([]),
  cancelRequested: Object.freeze([]),
})

const running = { state: 'running', reason: null } as const

export async function createOccurrences(
  { connection, channel, sender }: Ledger,
  { now, owner, items }: CreateOccurrencesRequest,
): Promise<readonly CreateAnswer[]> {
  const printedOwner = printOwner(owner)
  const displaced = JSON.stringify({ at: now, reason: 'displaced', actor: null })
  return await runBatch(connection, items, {
    jobOf: ({ jobId }) => jobId,
    idOf: ({ id }) => id,
    prepare: (group, spans) => {
      const request = new ByteWriter(8)
      request.number(now)
      const writer = new ByteWriter()
      for (const item of group) writeItem(writer, item, owner, printedOwner, now)
      const addresses = printAddresses(group)
      const values = [request.finish(), writer.finish(), channel, sender, displaced, addresses, spans]
      return { script: scripts.create, arguments: values }
    },
    read: readAnswers,
  })
}

function writeItem(writer: ByteWriter, item: CreateItem, owner: Owner, printedOwner: string, now: number): void {
  const due = item.kind === 'exclusion' || item.kind === 'recovery' ? null : item
  writer.byte(itemKinds[item.kind])
  writer.byte(due !== null && isStartable(due, now) ? 1 : 0)
  writer.number(item.scheduledAt)
  writer.uint32(item.jobVersion)
  writer.number(item.kind === 'slot' ? orNever(item.nextAt) : item.kind === 'recovery' ? item.expectedWatermark : 0)
  writer.number(due === null ? 0 : now + due.executionTimeoutMs)
  if (due !== null) {
    // As it is when it starts at once: the script changes it where it does not.
    const record = createdOccurrence(due, running, owner, now)
    writeOccurrence(writer, { ...record, owner: printedOwner })
  } else if (item.kind === 'exclusion') {
    writeOccurrence(writer, unowned(excludedOccurrence(item, now)))
  } else if (item.kind === 'recovery') {
    const sizeAt = writer.length
    writer.uint32(0)
    writer.number(item.watermark)
    writer.number(orNever(item.nextAt))
    writer.uint32(item.entries.length)
    for (const entry of item.entries) {
      writer.id(entry.id)
      writer.byte(entry.kind === 'run' ? 1 : 0)
      writeOccurrence(writer, unowned(recoveredOccurrence(item, entry, 'pending', now)))
    }
    writer.setUint32(sizeAt, writer.length - sizeAt - 4)
  }
}

function unowned(record: Omit<PrintedOccurrence, 'owner'>): PrintedOccurrence {
  return { ...record, owner: '' }
}

function readAnswers(reply: unknown, items: readonly CreateItem[]): readonly CreateAnswer[] {
  const [letters, details] = reply as readonly [Buffer, readonly Buffer[]]
  let position = 0
  const next = () => details[position++] as Buffer
  return items.map((item, index): CreateAnswer => {
    switch (String.fromCharCode(letters[index] as number)) {
      case 'r':
        return started
      case 'c': {
        const numbers = next()
        return {
          outcome: 'created',
          state: stateOf(numbers[0] as number),
          token: numbers.readUInt32LE(1),
          reason: parseReason(next().toString()),
          displaced: readAddresses(next(), item.jobId),
          cancelRequested: readNotices(next(), item.jobId),
        }
      }
      case 'e': {
        const numbers = next()
        return {
          outcome: 'exists',
          state: stateOf(numbers[0] as number),
          token: numbers.readUInt32LE(1),
          owner: parseOwner(next().toString()),
          watermark: numbers.readDoubleLE(5),
          nextAt: readInstant(numbers, 13),
        }
      }
      case 'p':
        return { outcome: 'pruned', pruneFloor: next().readDoubleLE(0) }
      case 'v':
        return { outcome: 'stale_version', version: next().readUInt32LE(0) }
      case 'o': {
        const numbers = next()
        return { outcome: 'off_schedule', watermark: numbers.readDoubleLE(0), nextAt: readInstant(numbers, 8) }
      }
      default:
        return { outcome: 'absent' }
    }
  })
}
