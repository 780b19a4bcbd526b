import type { JobId } from '@jobistemer/core'
import {
  codec1,
  type CreateAnswer,
  type CreateItem,
  type CreateOccurrencesRequest,
  createdOccurrence,
  isStartable,
  type OccurrenceAddress,
  type Owner,
  type ReusableKey,
} from '@jobistemer/core/storage'
import { runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import { printAddresses } from './ids.ts'
import { instantOf, orNever, parseFields, printFields } from './layout.ts'
import type { Ledger } from './connection.ts'
import { parseOwner, parseReason, printOwner, writeOccurrence } from './occurrence-form.ts'
import { bySchedule, readAddresses, readNotices } from './replies.ts'
import { itemKinds, keyScopes, layouts } from './layouts.ts'
import { createScript } from './scripts/create.ts'
import type { Steps } from './steps.ts'

const { readOccurrenceId, stateOf, writeId } = codec1

const { at: itemAt } = layouts.createItem

const started: CreateAnswer = Object.freeze({
  outcome: 'created',
  state: 'running',
  token: 1,
  reason: null,
  displaced: Object.freeze([]),
  cancelRequested: Object.freeze([]),
})

/**
 * The answer for an item that becomes pending and changes no other occurrence. For such an item, the script answers only the
 * letter `w`.
 */
const waiting: CreateAnswer = Object.freeze({ ...started, state: 'pending', token: 0 })

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
  const answers = new Array<CreateAnswer>(items.length)
  let left = [...items.entries()]
  for (let isRare = false; left.length > 0; isRare = !isRare) {
    // Keeps the order of the items of each job: after an item that a later round creates, the later items of its job also wait
    // for a later round.
    const barred = new Set<JobId>()
    const chosen = left.filter(([, item]) => {
      if (isDue(item) === isRare) barred.add(item.jobId)
      return !barred.has(item.jobId)
    })
    const some = chosen.map(([, item]) => item)
    const found = isRare
      ? await steps.createOccurrences({ ...request, items: some })
      : await createAll(ledger, { ...request, items: some.filter(isDue) })
    for (const [position, [index]] of chosen.entries()) answers[index] = found[position] as CreateAnswer
    left = left.filter((entry) => !chosen.includes(entry))
  }
  return answers
}

/**
 * Repeats the call for items that are not created yet, until all items are created. Between the calls, the server can run
 * commands of other clients. A caller may repeat the request after a failure.
 */
async function createAll(ledger: Ledger, request: DueRequest): Promise<readonly CreateAnswer[]> {
  const { items } = request
  const first = await createOnce(ledger, request)
  if (!first.some(isOpen)) return first as readonly CreateAnswer[]
  const answers = [...first]
  for (;;) {
    const open = [...answers.keys()].filter((index) => isOpen(answers[index] as CreateAnswer | OpenAnswer))
    if (open.length === 0) return answers as CreateAnswer[]
    const goingOn = new Set(open.filter((index) => (answers[index] as OpenAnswer).goesOn).map((index) => items[index]))
    const rest = { ...request, items: open.map((index) => items[index] as DueItem) }
    const again = await createOnce(ledger, rest, (item) => goingOn.has(item))
    for (const [position, index] of open.entries()) {
      const { displaced } = answers[index] as OpenAnswer
      answers[index] = withDisplaced(again[position] as CreateAnswer | OpenAnswer, displaced)
    }
  }
}

function isOpen(answer: CreateAnswer | OpenAnswer): answer is OpenAnswer {
  return answer.outcome === 'open'
}

function withDisplaced<Answer extends CreateAnswer | OpenAnswer>(
  answer: Answer,
  displaced: readonly OccurrenceAddress[],
): Answer {
  if (!('displaced' in answer) || displaced.length === 0) return answer
  return { ...answer, displaced: [...displaced, ...answer.displaced].sort(bySchedule) }
}

async function createOnce(
  { connection, channel, sender }: Ledger,
  { now, owner, items }: DueRequest,
  goesOn: (item: DueItem) => boolean = () => false,
): Promise<readonly (CreateAnswer | OpenAnswer)[]> {
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

function readAnswers(reply: unknown, items: readonly DueItem[]): readonly (CreateAnswer | OpenAnswer)[] {
  const [letters, details] = reply as readonly [Buffer, readonly Buffer[]]
  let position = 0
  const next = () => details[position++] as Buffer
  return items.map((item, index): CreateAnswer | OpenAnswer => {
    switch (String.fromCharCode(letters[index] as number)) {
      case 'r':
        return started
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
