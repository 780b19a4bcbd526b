import {
  codec1,
  type CancelAnswer,
  type CancelOccurrencesRequest,
  type FinalState,
  type Owner,
  type ReapAnswer,
  type ReapRequest,
} from '@jobistemer/core/storage'
import { runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import type { Ledger } from './ledger.ts'
import { parseOwner, printOwner, printReason } from './occurrence-form.ts'
import { readAddress } from './replies.ts'
import { cancelItemLayout, reapItemLayout, stateLayout } from './request-layouts.ts'
import { scripts } from './script.ts'
import { readLost } from './settle-occurrences.ts'

const { printRuns, stateOf } = codec1

export async function cancelOccurrences(
  { connection, channel, sender }: Ledger,
  { now, items }: CancelOccurrencesRequest,
): Promise<readonly CancelAnswer[]> {
  return await runBatch(connection, items, {
    jobOf: ({ jobId }) => jobId,
    prepare: (group) => {
      const writer = new ByteWriter()
      for (const { id, reason, actor, mode } of group) {
        const { at, size } = cancelItemLayout
        const start = writer.skip(size)
        writer.setId(start + at.id, id)
        writer.setByte(start + at.isForced, mode === 'force' ? 1 : 0)
        writer.setUint32(start + at.reasonSize, writer.text(printReason(reason)))
        writer.setUint32(start + at.cancelSize, writer.text(JSON.stringify({ at: now, reason, actor })))
      }
      return { script: scripts.cancel, arguments: [printNow(now), writer.finish(), channel, sender] }
    },
    read: (reply, group) =>
      (reply as readonly Buffer[]).map((bytes, index): CancelAnswer => {
        switch (letterOf(bytes)) {
          case 'c':
            return {
              outcome: 'canceled',
              woken: readAddress(bytes, (group[index] as { jobId: `job_${string}` }).jobId, 1),
            }
          case 'r': {
            const owner = parseOwner(bytes.toString('utf8', 1 + stateLayout.size)) as Owner
            return { outcome: 'requested', token: bytes.readUInt32LE(1 + stateLayout.at.token), owner }
          }
          case 'f':
            return { outcome: 'final', state: stateOf(bytes[1] as number) as FinalState }
          default:
            return { outcome: 'absent' }
        }
      }),
  })
}

export async function reapOccurrences(
  { connection, channel, sender }: Ledger,
  { now, items }: ReapRequest,
): Promise<readonly ReapAnswer[]> {
  return await runBatch(connection, items, {
    jobOf: ({ jobId }) => jobId,
    prepare: (group) => {
      const writer = new ByteWriter()
      for (const { id, scheduledAt, token, owner, sequence, runs, action, reason } of group) {
        const { at, size } = reapItemLayout
        const start = writer.skip(size)
        writer.setId(start + at.id, id)
        writer.setUint32(start + at.token, token)
        writer.setUint32(start + at.sequence, sequence)
        writer.setByte(start + at.isRetry, action === 'retry' ? 1 : 0)
        writer.setUint32(start + at.reasonSize, writer.text(printReason(reason)))
        writer.setUint32(start + at.runsSize, writer.text(printRuns(runs, scheduledAt) ?? ''))
        writer.setUint32(start + at.loserSize, owner == null ? 0 : writer.text(printOwner(owner)))
      }
      return { script: scripts.reap, arguments: [printNow(now), writer.finish(), channel, sender] }
    },
    read: (reply, group) =>
      (reply as readonly Buffer[]).map((bytes, index): ReapAnswer => {
        if (letterOf(bytes) === 'l') return readLost(bytes, 1)
        return { outcome: 'reaped', woken: readAddress(bytes, (group[index] as { jobId: `job_${string}` }).jobId, 1) }
      }),
  })
}

function printNow(now: number): Buffer {
  const writer = new ByteWriter(8)
  writer.number(now)
  return writer.finish()
}

function letterOf(bytes: Buffer): string {
  return String.fromCharCode(bytes[0] as number)
}
