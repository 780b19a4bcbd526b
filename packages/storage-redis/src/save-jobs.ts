import { type JobChange, maxLineage, type SaveJobAnswer, type SaveJobsRequest } from '@jobistemer/core/storage'
import { runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import { type JobParts, printContent, printHandlerKey, printTag, printVersion, readJob } from './job-form.ts'
import type { Ledger } from './ledger.ts'
import { never, orNever } from './numbers.ts'
import { policyCodes } from './record-codes.ts'
import { readAddresses } from './replies.ts'
import { scripts } from './script.ts'

const changeKinds = { create: 0, replace: 1, pause: 2, delete: 3 } as const

const outcomes = { e: 'exists', u: 'unchanged', c: 'conflict' } as const

export async function saveJobs(
  { connection, channel, sender }: Ledger,
  { now, changes }: SaveJobsRequest,
): Promise<readonly SaveJobAnswer[]> {
  return await runBatch(connection, changes, {
    jobOf: ({ id }) => id,
    prepare: (group) => {
      const request = new ByteWriter(16)
      request.number(now)
      request.uint32(maxLineage)
      const writer = new ByteWriter()
      for (const change of group) writeChange(writer, change)
      return { script: scripts.saveJobs, arguments: [request.finish(), writer.finish(), channel, sender] }
    },
    read: (reply, group) =>
      (reply as readonly (readonly Buffer[])[]).map((parts, index) => readAnswer(parts, group[index] as JobChange)),
  })
}

function writeChange(writer: ByteWriter, change: JobChange): void {
  const content = change.kind === 'create' || change.kind === 'replace' ? change.content : null
  writer.byte(changeKinds[change.kind])
  writer.id(change.id)
  writer.number(content === null ? never : orNever(content.nextAt))
  writer.byte(content === null ? 0 : policyCodes[content.overlap.policy])
  writer.number(content === null ? 0 : content.overlap.maxQueued)
  writer.uint32('expectedVersion' in change ? (change.expectedVersion ?? 0) : 0)
  writer.number(change.kind === 'replace' ? change.expectedWatermark : 0)
  writer.byte(change.kind === 'replace' && change.waiting === 'cancel' ? 1 : 0)
  const sizesAt = writer.length
  for (let part = 0; part < 4; part++) writer.uint32(0)
  if (change.kind === 'pause') {
    writer.setUint32(sizesAt, change.paused === null ? 0 : writer.text(JSON.stringify(change.paused)))
  } else if (content !== null) {
    writer.setUint32(sizesAt, writer.text(printContent(content)))
    writer.setUint32(sizesAt + 4, writer.text(printTag(content.owner)))
    const version = printVersion(content)
    writer.bytes(version)
    writer.setUint32(sizesAt + 8, version.length)
    writer.setUint32(sizesAt + 12, writer.text(printHandlerKey(content.handlerKey, change.id)))
  }
}

function readAnswer([letter, canceled, ...job]: readonly Buffer[], change: JobChange): SaveJobAnswer {
  const outcome = (letter as Buffer).toString()
  if (outcome === 'a') return { outcome: 'absent' }
  const head = readJob(job as unknown as JobParts)
  if (outcome === 's') return { outcome: 'saved', job: head, canceled: readAddresses(canceled as Buffer, change.id) }
  return { outcome: outcomes[outcome as keyof typeof outcomes], job: head }
}
