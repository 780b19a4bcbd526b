import { codec1, type SettleAnswer, settledAlone, type SettleItem, type SettleRequest } from '@jobistemer/core/storage'
import { runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import { printAddresses } from './ids.ts'
import { parseFields } from './layout.ts'
import type { Ledger } from './connection.ts'
import { parseCancelRequest, printOwner, printOptional, readOccurrence } from './occurrence-form.ts'
import { readAddress } from './replies.ts'
import { absentState, layouts, settleChanges } from './layouts.ts'
import { settleScript } from './scripts/settle.ts'

const { printRuns, readOccurrenceId, stateCodes, stateOf } = codec1

const { at: itemAt } = layouts.settleItem
const idSize = 16

export async function settleOccurrences(
  { connection, channel, sender }: Ledger,
  { now, items }: SettleRequest,
): Promise<readonly SettleAnswer[]> {
  const { answers, failure } = await runBatch(connection, items, {
    jobOf: ({ jobId }) => jobId,
    idOf: ({ id }) => id,
    prepare: (group, spans) => {
      const request = Buffer.alloc(8)
      request.writeDoubleLE(now)
      const writer = new ByteWriter(group.length)
      for (const item of group) writeItem(writer, item)
      const values = [request, writer.finish(), channel, sender, printAddresses(group), spans]
      return { script: settleScript, arguments: values, order: 'behind' }
    },
    read: readAnswers,
  })
  if (failure !== null) throw failure
  return answers as readonly SettleAnswer[]
}

function writeItem(writer: ByteWriter, item: SettleItem): void {
  const { scheduledAt, token, owner, sequence, runs, change, takeNext } = item
  const start = writer.skip(layouts.settleItem.size)
  writer.setUint32(start + itemAt.token, token)
  writer.setUint32(start + itemAt.sequence, sequence)
  writer.setByte(start + itemAt.change, settleChanges[change.kind])
  writer.setByte(start + itemAt.finalState, change.kind === 'finish' ? stateCodes[change.state] : 0)
  writer.setNumber(start + itemAt.dueAt, change.kind === 'release' ? change.dueAt : 0)
  const reason = change.kind === 'progress' ? '' : printOptional(change.reason)
  writer.setUint32(start + itemAt.reasonSize, writer.text(reason))
  writer.setUint32(start + itemAt.runsSize, writer.text(printRuns(runs, scheduledAt) ?? ''))
  writer.setUint32(start + itemAt.takerSize, takeNext === undefined ? 0 : writer.text(printOwner(takeNext)))
  writer.setUint32(start + itemAt.speakerSize, owner == null ? 0 : writer.text(printOwner(owner)))
}

function readAnswers(reply: unknown, items: readonly SettleItem[]): readonly SettleAnswer[] {
  const [letters, details] = reply as readonly [Buffer, readonly Buffer[]]
  let position = 0
  const next = () => details[position++] as Buffer
  return items.map(({ jobId }, index): SettleAnswer => {
    switch (String.fromCharCode(letters[index] as number)) {
      case 'k':
        return settledAlone
      case 'o':
        return { outcome: 'ok', woken: readAddress(next(), jobId), cancelRequested: readCancel(next()) }
      case 't': {
        const bytes = next()
        const taken = readOccurrence(readOccurrenceId(bytes, 0), bytes.subarray(idSize))
        const cancelRequested = readCancel(next())
        return { outcome: 'ok', woken: readAddress(next(), jobId), cancelRequested, taken }
      }
      case 'r':
        return { outcome: 'ok', woken: null, cancelRequested: readCancel(next()), repeated: true }
      default: {
        const { state, token } = parseFields(layouts.state, next())
        return { outcome: 'lost', state: state === absentState ? 'absent' : stateOf(state), token }
      }
    }
  })
}

function readCancel(bytes: Buffer): string | null {
  return parseCancelRequest(bytes.toString())?.reason ?? null
}
