import { codec1, type JobChange, maxLineage, type SaveJobAnswer, type SaveJobsRequest } from '@jobistemer/core/storage'
import { runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import { type JobParts, printContent, printHandlerKey, printTag, printVersion, readJob } from './job-form.ts'
import type { Ledger } from './ledger.ts'
import { always, never, orNever } from './numbers.ts'
import { jobChanges } from './record-codes.ts'
import { readAddresses } from './replies.ts'
import { jobChangeLayout } from './request-layouts.ts'
import { scripts } from './script.ts'

const { policyCodes } = codec1

const { at: changeAt } = jobChangeLayout

/** More than one job can have. */
const noLimit = 0xffff_ffff

const outcomes = { e: 'exists', u: 'unchanged', c: 'conflict' } as const

export async function saveJobs(ledger: Ledger, request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
  const answers = await saveOnce(ledger, request)
  if (!answers.some(hasOnlyLooked)) return answers
  const { changes } = request
  return await Promise.all(answers.map((answer, index) => goOn(ledger, request, changes[index] as JobChange, answer)))
}

/** Where much is kept, one call may find nothing of what a replace has left. Who repeats a change expects that it does. */
function hasOnlyLooked(answer: SaveJobAnswer): boolean {
  return answer.outcome === 'saved' && answer.more === true && answer.canceled.length === 0
}

/** Repeats a change for as long as it only looks. It is saved, whatever others have made of the job since. */
async function goOn(
  ledger: Ledger,
  request: SaveJobsRequest,
  change: JobChange,
  saved: SaveJobAnswer,
): Promise<SaveJobAnswer> {
  if (!hasOnlyLooked(saved)) return saved
  const [next] = await saveOnce(ledger, { ...request, changes: [change] })
  if (next?.outcome === 'saved') return await goOn(ledger, request, change, next)
  const { job } = saved as Extract<SaveJobAnswer, { readonly outcome: 'saved' }>
  return { outcome: 'saved', job: next !== undefined && 'job' in next ? next.job : job, canceled: [] }
}

async function saveOnce(
  { connection, channel, sender }: Ledger,
  { now, changes, cancelLimit = noLimit }: SaveJobsRequest,
): Promise<readonly SaveJobAnswer[]> {
  return await runBatch(connection, changes, {
    jobOf: ({ id }) => id,
    prepare: (group) => {
      const request = new ByteWriter(16)
      request.number(now)
      request.uint32(maxLineage)
      request.uint32(Math.min(cancelLimit, noLimit))
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
  const start = writer.skip(jobChangeLayout.size)
  writer.setByte(start + changeAt.kind, jobChanges[change.kind])
  writer.setId(start + changeAt.job, change.id)
  writer.setNumber(start + changeAt.nextAt, instantOf(change))
  writer.setByte(start + changeAt.policy, content === null ? 0 : policyCodes[content.overlap.policy])
  writer.setNumber(start + changeAt.maxQueued, content === null ? 0 : content.overlap.maxQueued)
  writer.setUint16(start + changeAt.maxConcurrency, content?.overlap.maxConcurrency ?? 1)
  writer.setUint16(start + changeAt.startLimit, content?.overlap.startRate?.limit ?? 0)
  writer.setNumber(start + changeAt.startInterval, content?.overlap.startRate?.intervalMs ?? 0)
  writer.setUint32(start + changeAt.expected, 'expectedVersion' in change ? (change.expectedVersion ?? 0) : 0)
  writer.setNumber(start + changeAt.watermark, change.kind === 'replace' ? change.expectedWatermark : 0)
  writer.setNumber(start + changeAt.setBackTo, change.kind === 'replace' ? (change.setBackTo ?? never) : never)
  writer.setByte(start + changeAt.cancels, change.kind === 'replace' && change.waiting === 'cancel' ? 1 : 0)
  const pause = change.kind === 'pause' && change.paused !== null ? JSON.stringify(change.paused) : ''
  const version = content === null ? Buffer.alloc(0) : printVersion(content)
  const handlerKey = content === null ? '' : printHandlerKey(content.handlerKey, change.id)
  writer.setUint32(start + changeAt.contentSize, writer.text(content === null ? pause : printContent(content)))
  writer.setUint32(start + changeAt.ownerSize, writer.text(content === null ? '' : printTag(content.owner)))
  writer.bytes(version)
  writer.setUint32(start + changeAt.versionSize, version.length)
  writer.setUint32(start + changeAt.handlerSize, writer.text(handlerKey))
}

/** The next instant of a content, or when a pause ends. */
function instantOf(change: JobChange): number {
  if (change.kind === 'create' || change.kind === 'replace') return orNever(change.content.nextAt)
  if (change.kind !== 'pause') return never
  return change.paused === null ? always : orNever(change.paused.until ?? null)
}

function readAnswer([letter, canceled, ...job]: readonly Buffer[], change: JobChange): SaveJobAnswer {
  const outcome = (letter as Buffer).toString()
  if (outcome === 'a') return { outcome: 'absent' }
  const head = readJob(job as unknown as JobParts)
  if (outcome === 's' || outcome === 'm') {
    const addresses = readAddresses(canceled as Buffer, change.id)
    return { outcome: 'saved', job: head, canceled: addresses, ...(outcome === 'm' && { more: true }) }
  }
  return { outcome: outcomes[outcome as keyof typeof outcomes], job: head }
}
