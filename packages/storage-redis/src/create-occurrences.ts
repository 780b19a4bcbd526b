import {
  codec1,
  compareAddresses,
  type CreateAnswer,
  type CreateItem,
  type CreateOccurrencesRequest,
  createdOccurrence,
  isStartable,
  type OccurrenceAddress,
  type Owner,
  partialAnswers,
  type ReusableKey,
  slotStarted,
} from '@jobistemer/core/storage'
import { type BatchAnswers, runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import { printAddresses } from './ids.ts'
import { instantOf, orNever, parseFields, printFields } from './layout.ts'
import type { Ledger } from './connection.ts'
import { parseOwner, parseReason, printOwner, writeOccurrence } from './occurrence-form.ts'
import { readAddresses, readNotices } from './replies.ts'
import { itemKinds, keyScopes, layouts } from './layouts.ts'
import { createScript } from './scripts/create.ts'
import type { Steps } from './steps.ts'

const { readOccurrenceId, stateOf, writeId } = codec1

const { at: itemAt } = layouts.createItem

/**
 * The answer for an item that becomes pending and changes no other occurrence. For such an item, the script answers only the
 * letter `w`.
 */
const waiting: CreateAnswer = Object.freeze({ ...slotStarted, state: 'pending', token: 0 } as const)

const open: OpenAnswer = Object.freeze({ outcome: 'open', goesOn: false, displaced: Object.freeze([]) })

const running = { state: 'running', reason: null } as const
const pending = { state: 'pending', reason: null } as const

/**
 * The answer for an item that this call has not created, for one of two reasons. Either the item displaces more waiting
 * occurrences than one call can cancel. Or the call has not created an earlier item of the same job.
 */
interface OpenAnswer {
  readonly outcome: 'open'
  readonly goesOn: boolean
  readonly displaced: readonly OccurrenceAddress[]
}

type Decision = CreateAnswer | OpenAnswer

/** The items that the create script supports. Exclusions and recoveries are rare, so the steps of core's ledger create them. */
type DueItem = Exclude<CreateItem, { readonly kind: 'exclusion' | 'recovery' }>

interface DueRequest extends CreateOccurrencesRequest {
  readonly items: readonly DueItem[]
}

function isDue(item: CreateItem): item is DueItem {
  return item.kind !== 'exclusion' && item.kind !== 'recovery'
}

export async function createOccurrences(
  ledger: Ledger,
  steps: Pick<Steps, 'createOccurrences'>,
  request: CreateOccurrencesRequest,
): Promise<readonly CreateAnswer[]> {
  const { items } = request
  if (items.every(isDue)) return await createAll(ledger, { ...request, items })
  const answers: CreateAnswer[] = []
  while (answers.length < items.length) {
    const rest = items.slice(answers.length)
    const isRare = !isDue(rest[0] as CreateItem)
    const count = rest.findIndex((item) => isDue(item) === isRare)
    // A call creates the items up to the next item of the other kind. So the items of a job keep their order.
    const some = count < 0 ? rest : rest.slice(0, count)
    try {
      const found = isRare
        ? await steps.createOccurrences({ ...request, items: some })
        : await createAll(ledger, { ...request, items: some.filter(isDue) })
      answers.push(...found)
    } catch (error) {
      const known = partialAnswers.get(error as Error)
      if (known !== undefined) partialAnswers.set(error as Error, [...answers, ...known])
      throw error
    }
  }
  return answers
}

/**
 * Repeats the call for items that are not created yet, until all items are created or a shard fails. Between the calls, the
 * server can run commands of other clients. A caller may repeat the request after a failure.
 */
async function createAll(ledger: Ledger, request: DueRequest): Promise<readonly CreateAnswer[]> {
  const { items } = request
  let { answers, failure } = await createOnce(ledger, request)
  while (failure === null && answers.some(isOpen)) {
    const open = [...answers.keys()].filter((index) => isOpen(answers[index] ?? null))
    const goingOn = new Set(open.filter((index) => (answers[index] as OpenAnswer).goesOn).map((index) => items[index]))
    const rest = { ...request, items: open.map((index) => items[index] as DueItem) }
    const again = await createOnce(ledger, rest, (item) => goingOn.has(item))
    failure = again.failure
    for (const [position, index] of open.entries()) {
      const { displaced } = answers[index] as OpenAnswer
      answers[index] = withDisplaced(again.answers[position] ?? null, displaced)
    }
  }
  if (failure === null) return answers as readonly CreateAnswer[]
  const known = answers.map((answer) => (isOpen(answer) ? null : answer))
  partialAnswers.set(failure, known)
  throw failure
}

function isOpen(answer: Decision | null): answer is OpenAnswer {
  return answer?.outcome === 'open'
}

function withDisplaced(answer: Decision | null, displaced: readonly OccurrenceAddress[]): Decision | null {
  if (answer === null || !('displaced' in answer) || displaced.length === 0) return answer
  return { ...answer, displaced: [...displaced, ...answer.displaced].sort(compareAddresses) }
}

async function createOnce(
  { connection, channel, sender }: Ledger,
  { now, owner, items }: DueRequest,
  goesOn: (item: DueItem) => boolean = () => false,
): Promise<BatchAnswers<Decision>> {
  const printedOwner = printOwner(owner)
  const displaced = JSON.stringify({ at: now, reason: 'displaced', actor: null })
  return await runBatch(connection, items, {
    jobOf: ({ jobId }) => jobId,
    idOf: ({ id }) => id,
    prepare: (group, spans) => {
      const hasRequests = group.some(({ kind }) => kind === 'trigger' || kind === 'replay')
      const request = printFields(layouts.createRequest, { now, hasRequests })
      const writer = new ByteWriter(group.length)
      for (const item of group) {
        const start = writeItem(writer, item, owner, printedOwner, now)
        writer.setByte(start + itemAt.goesOn, goesOn(item) ? 1 : 0)
      }
      const addresses = printAddresses(group)
      const skippedIds = group.map((item) => ('skippedId' in item ? item.skippedId : undefined))
      const keys = group.map((item) => ('key' in item ? item.key : undefined))
      const others = [printEach(16, skippedIds, writeId), printEach(17, keys, writeReusableKey)]
      const values = [request, writer.finish(), channel, sender, displaced, addresses, spans, ...others]
      return { script: createScript, arguments: values }
    },
    read: readAnswers,
  })
}

/** Writes `size` bytes for each item, with zeros for items without a value. Returns an empty buffer if no item has a value. */
function printEach<Value>(
  size: number,
  values: readonly (Value | undefined)[],
  write: (bytes: Buffer, offset: number, value: Value) => void,
): Buffer {
  if (values.every((value) => value === undefined)) return Buffer.alloc(0)
  const bytes = Buffer.alloc(values.length * size)
  for (const [index, value] of values.entries()) if (value !== undefined) write(bytes, index * size, value)
  return bytes
}

function writeReusableKey(bytes: Buffer, offset: number, { id, scope }: ReusableKey): void {
  writeId(bytes, offset, id)
  bytes[offset + 16] = keyScopes[scope]
}

function writeItem(writer: ByteWriter, item: DueItem, owner: Owner, printedOwner: string, now: number): number {
  const start = writer.skip(layouts.createItem.size)
  // If the item may start at once, this code writes the record of a running occurrence. Otherwise it writes the record of a
  // pending occurrence. If the script decides for another state, it changes the state in the record.
  const starts = isStartable(item, now)
  const record = createdOccurrence(item, starts ? running : pending, owner, now)
  writer.setByte(start + itemAt.kind, itemKinds[item.kind])
  writer.setByte(start + itemAt.isStartable, starts ? 1 : 0)
  writer.setNumber(start + itemAt.scheduledAt, item.scheduledAt)
  writer.setUint32(start + itemAt.version, item.jobVersion)
  writer.setNumber(start + itemAt.expected, item.kind === 'slot' ? orNever(item.nextAt) : 0)
  writer.setNumber(start + itemAt.deadline, now + item.executionTimeoutMs)
  writer.setUint32(start + itemAt.recordSize, writeOccurrence(writer, record, starts ? printedOwner : ''))
  return start
}

function readAnswers(reply: unknown, items: readonly DueItem[]): readonly Decision[] {
  const [letters, details] = reply as readonly [Buffer, readonly Buffer[]]
  let position = 0
  const next = () => details[position++] as Buffer
  return items.map((item, index): Decision => {
    switch (String.fromCharCode(letters[index] as number)) {
      case 'r':
        return slotStarted
      case 'w':
        return waiting
      case 'c': {
        const { state, token } = parseFields(layouts.state, next())
        return {
          outcome: 'created',
          state: stateOf(state),
          token,
          reason: parseReason(next().toString()),
          displaced: readAddresses(next(), item.jobId),
          cancelRequested: readNotices(next(), item.jobId),
        }
      }
      case 'm':
        return { outcome: 'open', goesOn: true, displaced: readAddresses(next(), item.jobId) }
      case 'n':
        return open
      case 'e':
        return readExists(next)
      case 'k':
        return { ...readExists(next), id: readOccurrenceId(next(), 0) }
      case 'p':
        return { outcome: 'pruned', pruneFloor: next().readDoubleLE(0) }
      case 'v':
        return { outcome: 'stale_version', version: next().readUInt32LE(0) }
      case 'o': {
        const { watermark, nextAt } = parseFields(layouts.schedule, next())
        return { outcome: 'off_schedule', watermark, nextAt: instantOf(nextAt) }
      }
      case 'f':
        return { outcome: 'queue_full', maxQueued: next().readDoubleLE(0) }
      default:
        return { outcome: 'absent' }
    }
  })
}

function readExists(next: () => Buffer): Extract<CreateAnswer, { readonly outcome: 'exists' }> {
  const { state, token, watermark, nextAt } = parseFields(layouts.exists, next())
  const owner = parseOwner(next().toString())
  return { outcome: 'exists', state: stateOf(state), token, owner, watermark, nextAt: instantOf(nextAt) }
}
