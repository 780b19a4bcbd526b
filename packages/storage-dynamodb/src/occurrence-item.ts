import {
  cancelRequestOfStored,
  detailsOfStored,
  isFailure,
  type OccurrenceAddress,
  type OccurrenceKind,
  type OccurrenceRecord,
  type OccurrenceState,
  orderAt,
  type Owner,
  runsOfStored,
  withRunsOfStored,
} from '@jobistemer/core/storage'
import * as attribute from './attributes.ts'
import type { Item } from './attributes.ts'
import { addressOfKey, failedOrder, failedShardOf, keyItem, keyOf, type Keys, type LiveGroup, shardOf } from './keys.ts'

/** An occurrence as it is stored. */
export interface StoredOccurrence {
  readonly record: OccurrenceRecord
  /** Grows by one with each write: what a write that was decided on this reading is conditional on. */
  readonly revision: number
  /**
   * A running one whose end concerns its job's head, as others are queued behind it or the job is deleted. One that is
   * not marked ends by a write to its own item alone.
   */
  readonly marked: boolean
  /** The attributes that tell of parts which hold what is too large for the item; `null` for most. */
  readonly bulk: Item | null
}

// Names are part of every item that is stored and paid for: short ones keep a usual occurrence below a kilobyte, the
// unit that writes are charged by.
export const names = {
  state: 's',
  kind: 'k',
  token: 't',
  sequence: 'q',
  owner: 'o',
  jobVersion: 'jv',
  dueAt: 'd',
  createdAt: 'c',
  startedAt: 'b',
  finishedAt: 'e',
  timeout: 'x',
  reason: 'r',
  recovered: 'rc',
  rescues: 're',
  cancelRequest: 'cr',
  details: 'dt',
  runs: 'rn',
  /** Where the parts lie that hold the details or the runs, when these are too large. */
  detailsParts: 'dtp',
  runsParts: 'rnp',
  /** There may be parts that nothing refers to: set before the first ones are written, and never taken away. */
  hadParts: 'hp',
  revision: 'v',
  marked: 'm',
  /** As in the details; absent where it is 0: for conditions. */
  priority: 'p',
  /** As in the details, which may lie in parts: for prune. */
  keyId: 'ki',
  /** Partition and sort key of the index of live occurrences; absent once it is final. */
  livePartition: 'lp',
  liveOrder: 'lo',
  /** Partition and sort key of the index of failures; absent for all others. */
  failedPartition: 'fp',
  failedOrder: 'fo',
} as const

/** An owner, as it is stored and compared. */
export function ownerValue({ node, incarnation }: Owner): Item[string] {
  return attribute.json([node, incarnation])
}

/** With details and runs in it, however large they are. */
export function occurrenceItem(keys: Keys, { record, revision, marked }: Omit<StoredOccurrence, 'bulk'>): Item {
  const item: Item = {
    ...keyItem(keys.occurrence(record)),
    [names.state]: attribute.text(record.state),
    [names.kind]: attribute.text(record.kind),
    [names.token]: attribute.number(record.token),
    [names.sequence]: attribute.number(record.sequence),
    [names.jobVersion]: attribute.number(record.jobVersion),
    [names.dueAt]: attribute.number(record.dueAt),
    [names.createdAt]: attribute.number(record.createdAt),
    [names.timeout]: attribute.number(record.executionTimeoutMs),
    [names.revision]: attribute.number(revision),
  }
  if (record.owner !== null) item[names.owner] = ownerValue(record.owner)
  if (record.startedAt !== null) item[names.startedAt] = attribute.number(record.startedAt)
  if (record.finishedAt !== null) item[names.finishedAt] = attribute.number(record.finishedAt)
  if (record.reason !== null) item[names.reason] = attribute.json(record.reason)
  if (record.recovered) item[names.recovered] = { BOOL: true }
  if (record.rescues > 0) item[names.rescues] = attribute.number(record.rescues)
  if (record.cancelRequest !== null) item[names.cancelRequest] = attribute.json(record.cancelRequest)
  if (!isEmpty(record.details)) item[names.details] = attribute.json(record.details)
  if (record.runs.length > 0) item[names.runs] = attribute.json(record.runs)
  if (marked) item[names.marked] = { BOOL: true }
  if (levelOf(record) !== 0) item[names.priority] = attribute.number(levelOf(record))
  if (record.details.keyId !== undefined) item[names.keyId] = attribute.text(record.details.keyId)
  if (isFailure(record.state)) Object.assign(item, failedPlace(keys, record, record.finishedAt as number))
  const place = livePlace(record)
  if (place !== null) {
    const level = place.group === 'pending' ? levelOf(record) : 0
    item[names.livePartition] = attribute.text(keys.livePartition(place.group, shardOf(record.id, place.group), level))
    item[names.liveOrder] = attribute.number(place.order)
  }
  return item
}

/** The priority of a record: 0 for most. */
export function levelOf({ details }: Pick<OccurrenceRecord, 'details'>): number {
  return details.priority ?? 0
}

/** The attributes that put an occurrence into the index of failures. */
export function failedPlace(keys: Keys, { id, jobId }: OccurrenceAddress, finishedAt: number): Item {
  return {
    [names.failedPartition]: attribute.text(keys.failedPartition(failedShardOf(jobId))),
    [names.failedOrder]: attribute.text(failedOrder(id, finishedAt)),
  }
}

/** Where in the index of live occurrences a record lies: pending by `dueAt`, queued in their order, running by their deadline. */
function livePlace(record: OccurrenceRecord): { readonly group: LiveGroup; readonly order: number } | null {
  switch (record.state) {
    case 'pending':
      return { group: 'pending', order: record.dueAt }
    case 'queued':
      return { group: 'queued', order: orderAt(record) }
    case 'running': {
      const group = record.cancelRequest === null ? 'running' : 'canceling'
      return { group, order: record.deadlineAt ?? record.dueAt }
    }
    default:
      return null
  }
}

export function readOccurrence(item: Item): StoredOccurrence {
  const state = attribute.textOf(item, names.state) as OccurrenceState
  const startedAt = attribute.optionalNumber(item, names.startedAt)
  const executionTimeoutMs = attribute.numberOf(item, names.timeout)
  const owner = attribute.optionalJson<readonly [string, string]>(item, names.owner)
  const record: OccurrenceRecord = {
    ...addressOfKey(keyOf(item)),
    kind: attribute.textOf(item, names.kind) as OccurrenceKind,
    state,
    token: attribute.numberOf(item, names.token),
    sequence: attribute.numberOf(item, names.sequence),
    owner: owner === null ? null : { node: owner[0], incarnation: owner[1] },
    jobVersion: attribute.numberOf(item, names.jobVersion),
    dueAt: attribute.numberOf(item, names.dueAt),
    createdAt: attribute.numberOf(item, names.createdAt),
    startedAt,
    finishedAt: attribute.optionalNumber(item, names.finishedAt),
    executionTimeoutMs,
    deadlineAt: state === 'running' && startedAt !== null ? startedAt + executionTimeoutMs : null,
    reason: attribute.optionalJson<string>(item, names.reason),
    recovered: item[names.recovered] !== undefined,
    rescues: attribute.optionalNumber(item, names.rescues) ?? 0,
    cancelRequest:
      item[names.cancelRequest] === undefined
        ? null
        : cancelRequestOfStored(attribute.storedJson(item[names.cancelRequest])),
    ...withRunsOfStored(
      item[names.details] === undefined ? {} : detailsOfStored(attribute.storedJson(item[names.details])),
      item[names.runs] === undefined ? [] : runsOfStored(attribute.storedJson(item[names.runs])),
    ),
  }
  const marked = item[names.marked] !== undefined
  return { record, revision: attribute.numberOf(item, names.revision), marked, bulk: bulkOf(item) }
}

const bulkNames = [names.hadParts, names.runsParts, names.detailsParts]

function bulkOf(item: Item): Item | null {
  let bulk: Item | null = null
  for (const name of bulkNames) {
    const value = item[name]
    if (value === undefined) continue
    bulk ??= {}
    bulk[name] = value
  }
  return bulk
}

function isEmpty(value: object): boolean {
  for (const _key in value) return false
  return true
}
