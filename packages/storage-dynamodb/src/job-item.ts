import type { JobId, JsonObject } from '@jobistemer/core'
import {
  definitionOfStored,
  type JobRecord,
  jobRecordOf,
  type JobVersionRecord,
  lineageOfStored,
  numbersOfStored,
  objectOfStored,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type OverlapPolicy,
  overlapRuleOf,
  pauseOfStored,
  readStartNumbers,
  type ScheduleSegment,
  startNumbersOf,
  timelineOfStored,
} from '@jobistemer/core/storage'
import * as attribute from './attributes.ts'
import type { Item } from './attributes.ts'
import { jobOfKey, keyItem, keyOf, type Keys, uuidOf } from './keys.ts'

/**
 * The stored head of a job. The head has the members of the job's record that most steps need, and lists of the job's live
 * occurrences. The version item holds the other members of the record.
 */
export interface StoredHead extends Omit<JobRecord, keyof VersionContent> {
  /**
   * Grows by one with each write of the head. A step can write the head only if the stored head still has the revision that
   * the step has read.
   */
  readonly revision: number
  /**
   * Addresses of pending and running occurrences, in any order. The list may also contain ended occurrences, because a step
   * that ends an occurrence need not write the head. Each active occurrence is in this list or in one of the items `pages`.
   */
  readonly active: readonly OccurrenceAddress[]
  /** The pages: items that list the active occurrences for which `active` has no room. A page never changes. */
  readonly pages: ActivePages
  /** The first queued occurrences in the order of waking. Empty only if no occurrence is queued. */
  readonly queued: readonly Waiting[]
  /**
   * Number of queued occurrences that the head does not list. Each of these occurrences has a separate item, see
   * `Keys.queued`.
   */
  readonly queuedBeyond: number
  /** Whether a queued occurrence that the head does not list may have a priority. */
  readonly hasPriorities: boolean
  /** If `active` has at least this number of entries, a step checks which of these occurrences have ended. */
  readonly lookAt: number
  /** Number of plan items that hold the remaining writes of the last step; usually 0. */
  readonly planParts: number
}

/**
 * The pages that list the active occurrences for which a head has no room: numbers `from` to `to - 1`, with `entries`
 * entries in total.
 */
interface ActivePages {
  readonly from: number
  readonly to: number
  readonly entries: number
}

/** The members of a head that list the live occurrences of its job. */
export type LiveLists = Pick<StoredHead, 'active' | 'pages' | 'queued' | 'queuedBeyond' | 'hasPriorities' | 'lookAt'>

/** The names of attributes in a stored head. DynamoDB charges for the length of names, so these names are short. */
export const headNames = {
  handlerKey: 'h',
  policy: 'p',
  paused: 'z',
  /**
   * The end of the job's pause; absent without a pause, or if the pause has no end. The stored pause also contains this
   * instant, but the condition of a write can only refer to a separate attribute.
   */
  pausedUntil: 'u',
  cancelsBelow: 'b',
  planParts: 'y',
  deletedAt: 'd',
} as const

export function headItem(keys: Keys, head: StoredHead): Item {
  const item: Item = {
    ...keyItem(keys.head(head.id)),
    v: attribute.number(head.revision),
    n: attribute.number(head.version),
    [headNames.handlerKey]: attribute.json(head.handlerKey),
    [headNames.policy]: attribute.text(head.overlap.policy),
    w: attribute.number(head.watermark),
    c: attribute.number(head.createdAt),
    g: attribute.number(head.changedAt),
  }
  if (head.overlap.maxQueued !== defaultMaxQueued) item.x = attribute.number(head.overlap.maxQueued)
  if (head.overlap.maxConcurrency !== undefined) item.m = attribute.number(head.overlap.maxConcurrency)
  if (head.nextAt !== null) item.a = attribute.number(head.nextAt)
  if (head.pruneFloor !== null) item.f = attribute.number(head.pruneFloor)
  if (head.paused !== null) item[headNames.paused] = attribute.json(head.paused)
  if (head.paused?.until !== undefined) item[headNames.pausedUntil] = attribute.number(head.paused.until)
  if (head.cancelsBelow !== null) item[headNames.cancelsBelow] = attribute.number(head.cancelsBelow)
  const starts = startNumbersOf(head)
  if (starts !== null) item.s = attribute.json(starts)
  if (head.deletedAt !== null) item[headNames.deletedAt] = attribute.number(head.deletedAt)
  if (head.active.length > 0) item.l = { B: printLiveList(head.active) }
  if (head.pages.to > 0) item.e = attribute.json([head.pages.from, head.pages.to, head.pages.entries])
  if (head.queued.length > 0) item.q = { B: printLiveList(head.queued) }
  if (head.queuedBeyond > 0) item.j = attribute.number(head.queuedBeyond)
  if (head.hasPriorities) item.i = { BOOL: true }
  const priorities = printPriorities(head.queued)
  if (priorities !== null) item.o = { B: priorities }
  if (head.lookAt !== firstLookAt) item.k = attribute.number(head.lookAt)
  if (head.planParts > 0) item[headNames.planParts] = attribute.number(head.planParts)
  return item
}

const defaultMaxQueued = 100_000

/**
 * The minimum of {@link StoredHead.lookAt}. A step checks a shorter list of active occurrences for ended ones only if the
 * step's decision needs this list.
 */
export const firstLookAt = 12

export function readHead(item: Item): StoredHead {
  const id = jobOfKey(keyOf(item).pk)
  const [from = 0, to = 0, entries = 0] = numbersOfStored(attribute.storedJson(item.e)) ?? []
  const { startRate, ...starts } = readStartNumbers(numbersOfStored(attribute.storedJson(item.s)))
  return {
    id,
    revision: attribute.numberOf(item, 'v'),
    version: attribute.numberOf(item, 'n'),
    handlerKey: attribute.optionalJson<string>(item, headNames.handlerKey) ?? '',
    overlap: overlapRuleOf(
      attribute.textOf(item, headNames.policy) as OverlapPolicy,
      attribute.optionalNumber(item, 'x') ?? defaultMaxQueued,
      attribute.optionalNumber(item, 'm') ?? 1,
      startRate,
    ),
    watermark: attribute.numberOf(item, 'w'),
    nextAt: attribute.optionalNumber(item, 'a'),
    pruneFloor: attribute.optionalNumber(item, 'f'),
    paused: item[headNames.paused] === undefined ? null : pauseOfStored(attribute.storedJson(item[headNames.paused])),
    cancelsBelow: attribute.optionalNumber(item, headNames.cancelsBelow),
    ...starts,
    createdAt: attribute.numberOf(item, 'c'),
    changedAt: attribute.numberOf(item, 'g'),
    deletedAt: attribute.optionalNumber(item, headNames.deletedAt),
    active: parseLiveList(id, item.l?.B),
    pages: { from, to, entries },
    queued: withPriorities(parseLiveList(id, item.q?.B), item.o?.B),
    queuedBeyond: attribute.optionalNumber(item, 'j') ?? 0,
    hasPriorities: item.i !== undefined,
    lookAt: attribute.optionalNumber(item, 'k') ?? firstLookAt,
    planParts: attribute.optionalNumber(item, headNames.planParts) ?? 0,
  }
}

/** The content of a stored version, which never changes. */
interface VersionContent {
  readonly name: string
  readonly owner: string | null
  readonly fingerprint: string
  readonly lineage: readonly string[]
  readonly timeline: readonly ScheduleSegment[]
  readonly definition: JsonObject
}

export function versionItem(keys: Keys, job: JobRecord, now: number): Item {
  const { name, owner, fingerprint, lineage, timeline, definition } = job
  const content: VersionContent = { name, owner, fingerprint, lineage, timeline, definition }
  return {
    ...keyItem(keys.version(job.id, job.version)),
    n: attribute.number(job.version),
    c: attribute.number(now),
    j: attribute.json(content),
  }
}

export function readVersion(item: Item): JobVersionRecord {
  const jobId = jobOfKey(keyOf(item).pk)
  const { fingerprint, definition } = contentOf(item, jobId)
  return {
    jobId,
    version: attribute.numberOf(item, 'n'),
    fingerprint,
    definition,
    createdAt: attribute.numberOf(item, 'c'),
  }
}

/** Builds the whole record of a job from its head and its version in force. */
export function readJob(head: StoredHead, version: Item): JobRecord {
  const { paused, createdAt, changedAt } = head
  return jobRecordOf(head, { ...contentOf(version, head.id), paused, createdAt, changedAt })
}

/**
 * Builds the stored head of a job from its record. The revision, the plan and the lists come from `before`, the previous stored
 * head. `before` is `null` for a new job.
 */
export function headOf(job: JobRecord, before: StoredHead | null): StoredHead {
  const { revision, planParts, active, pages, queued, queuedBeyond, hasPriorities, lookAt } = before ?? newHead
  return { ...job, revision, planParts, active, pages, queued, queuedBeyond, hasPriorities, lookAt }
}

/** The empty lists of a new job. */
export const noLists: LiveLists = {
  active: [],
  pages: { from: 0, to: 0, entries: 0 },
  queued: [],
  queuedBeyond: 0,
  hasPriorities: false,
  lookAt: firstLookAt,
}

const newHead = { ...noLists, revision: 0, planParts: 0 }

/** Parses the content of a version. The error for a damaged content names the job by its id. */
function contentOf(item: Item, id: JobId): VersionContent {
  const { name, owner, fingerprint, lineage, timeline, definition } = objectOfStored(attribute.storedJson(item.j))
  return {
    name: typeof name === 'string' ? name : id,
    owner: typeof owner === 'string' ? owner : null,
    fingerprint: typeof fingerprint === 'string' ? fingerprint : '',
    lineage: lineageOfStored(lineage),
    timeline: timelineOfStored(timeline),
    definition: definitionOfStored(definition),
  }
}

// A head stores its lists of live occurrences in binary form, 24 bytes for each occurrence. Every step pays for the
// size of the head.

const entryBytes = 24
// An entry begins with its instant as a double, which holds every instant that a Date can have.
const instantBytes = 8

export function printLiveList(entries: readonly OccurrenceAddress[]): Uint8Array {
  const bytes = Buffer.alloc(entries.length * entryBytes)
  for (const [index, { id, scheduledAt }] of entries.entries()) {
    const start = index * entryBytes
    bytes.writeDoubleBE(scheduledAt, start)
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
    entries.push({ id: `occ_${uuid}`, jobId, scheduledAt: bytes.readDoubleBE(start) })
  }
  return entries
}

/** A waiting occurrence, with the members that core's `compareOrder` compares. */
export interface Waiting extends OccurrenceAddress {
  readonly details: Pick<OccurrenceRecord['details'], 'priority'>
}

/** The `details` that all waiting occurrences without a priority share. */
export const ordinary: Waiting['details'] = Object.freeze({})

export function waitingOf({ id, jobId, scheduledAt, details: { priority } }: Waiting): Waiting {
  return { id, jobId, scheduledAt, details: priority === undefined ? ordinary : { priority } }
}

/** Returns the priorities as one byte per entry; `null` if no entry has a priority. */
function printPriorities(entries: readonly Waiting[]): Uint8Array | null {
  if (entries.every(({ details }) => details.priority === undefined)) return null
  return new Uint8Array(Int8Array.from(entries, ({ details }) => details.priority ?? 0).buffer)
}

function withPriorities(entries: readonly OccurrenceAddress[], priorities: Uint8Array | undefined): readonly Waiting[] {
  const bytes = Int8Array.from(priorities ?? [])
  return entries.map((entry, index) => {
    const priority = bytes[index] ?? 0
    return { ...entry, details: priority === 0 ? ordinary : { priority } }
  })
}
