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

/** An occurrence record with the attributes that only this storage needs. */
export interface StoredOccurrence {
  readonly record: OccurrenceRecord
  /** Grows by one with each write. A write is conditional on the revision that its step has read. */
  readonly revision: number
  /**
   * Whether the end of this running occurrence must also write the job's head, because the job has queued occurrences
   * or is deleted.
   */
  readonly marked: boolean
  /** The attributes that refer to separate items with large details or task runs. Usually `null`. */
  readonly bulk: Item | null
}

// The names of attributes in a stored occurrence. Each item pays for its names, so short names keep a usual occurrence
// below 1 KB, the unit of write charges.
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
  /** References to the parts (separate items) that hold the details or the task runs, if these are too large for the item. */
  detailsParts: 'dtp',
  runsParts: 'rnp',
  /**
   * Marks a record that may have parts (separate items for large attributes) to which no attribute refers. A step stores this
   * mark before the first parts of the record. No step removes the mark.
   */
  hadParts: 'hp',
  revision: 'v',
  marked: 'm',
  /** The priority, as in the details. Conditions of writes need this separate attribute. Absent if the priority is 0. */
  priority: 'p',
  /** The `keyId`, repeated from the details for a prune, because separate items may hold the details. */
  keyId: 'ki',
  /** Partition and sort key of the index of live occurrences; absent if the occurrence is final. */
  livePartition: 'lp',
  liveOrder: 'lo',
  /** Partition and sort key of the index of failures; absent if the occurrence has not failed. */
  failedPartition: 'fp',
  failedOrder: 'fo',
} as const

/** Returns the attribute value of an owner, for items and for conditions. */
export function ownerValue({ node, incarnation }: Owner): Item[string] {
  return attribute.json([node, incarnation])
}

/**
 * Returns the item of an occurrence. The item includes the details and task runs of the occurrence, even if they are too
 * large for an item.
 */
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

/** Returns the priority of an occurrence; 0 if it has none. */
export function levelOf({ details }: Pick<OccurrenceRecord, 'details'>): number {
  return details.priority ?? 0
}

/** Returns the attributes that put an occurrence into the index of failures. */
export function failedPlace(keys: Keys, { id, jobId }: OccurrenceAddress, finishedAt: number): Item {
  return {
    [names.failedPartition]: attribute.text(keys.failedPartition(failedShardOf(jobId))),
    [names.failedOrder]: attribute.text(failedOrder(id, finishedAt)),
  }
}

/** Returns the group and the sort order of an occurrence in the index of live occurrences; `null` if it is final. */
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
