import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  compareAddresses,
  isFinal,
  isPrunable,
  lastSlotOf,
  type OccurrenceRecord,
  type PruneAnswer,
  type PruneRequest,
  random,
} from '@jobistemer/core/storage'
import { type Item, number, numberOf, textOf } from './attributes.ts'
import { bulkKeys, concurrency, contended, freeKey, loadHead, partsQuery, type Table, untilDecided } from './table.ts'
import { carryOut } from './run-step.ts'
import { headItem, type StoredHead } from './job-item.ts'
import { jobOfKey, type Key, keyItem, keyOf, sortableInstant } from './keys.ts'
import { names, readOccurrence } from './occurrence-item.ts'
import { hasRevision, remove } from './record-writes.ts'
import { groupsOf, partitionQuery } from './requests.ts'

export async function prune(table: Table, request: PruneRequest): Promise<PruneAnswer> {
  let removed = 0
  for await (const job of jobsOf(table, request.jobId)) {
    const left = request.limit - removed
    const answer = await untilDecided(table, job, async () => await pruneJob(table, job, request, left))
    removed += answer.removed
    if (answer.more) return { removed, more: true }
  }
  return { removed, more: false }
}

async function* jobsOf({ requests, keys }: Table, only: JobId | null): AsyncGenerator<JobId, void, undefined> {
  if (only !== null) {
    yield only
    return
  }
  for await (const item of requests.queryAll(partitionQuery(keys.registry, ['id/', 'id/~'])))
    yield jobOfKey(keyOf(item).sk)
}

/**
 * An occurrence that a prune removes. `bulk` contains the attributes that refer to its parts: separate items for large
 * attributes.
 */
interface Victim extends OccurrenceRecord {
  readonly bulk: Item | null
  /** The `keyId` of the occurrence, known without reading the details. */
  readonly keyId: OccurrenceId | null
}

async function pruneJob(
  table: Table,
  job: JobId,
  request: PruneRequest,
  limit: number,
): Promise<PruneAnswer | typeof contended> {
  const head = await loadHead(table, job)
  if (head === null) return { removed: 0, more: false }
  if (head.planParts > 0) {
    await carryOut(table, head)
    return contended
  }
  const victims = await victimsOf(table, head, request, limit + 1)
  const more = victims.length > limit
  if (more) victims.pop()
  if (victims.length > 0) {
    // If the prune floor rose only after the removal, another node could create a removed slot again.
    if (!(await raiseFloor(table, head, victims))) return contended
    await removeAll(table, victims)
  }
  if (!more) await forget(table, head, request.before)
  return { removed: victims.length, more }
}

/** Returns the oldest occurrences of the job that may be removed, at most `limit`. */
async function victimsOf(
  table: Table,
  head: StoredHead,
  { before, keep }: PruneRequest,
  limit: number,
): Promise<Victim[]> {
  const end = head.nextAt === null ? before : Math.min(before, head.nextAt)
  const oldestKept = keep === 0 ? null : await oldestOfLatest(table, head.id, keep)
  if (keep > 0 && oldestKept === null) return []
  const victims: Victim[] = []
  for await (const record of history(table, head.id, { to: end, order: 'ascending', firstLimit: limit + 1 })) {
    if (victims.length === limit || (oldestKept !== null && compareAddresses(record, oldestKept) >= 0)) break
    if (isPrunable(record, before, head.nextAt)) victims.push(record)
  }
  return victims
}

/**
 * Returns the oldest of the `count` newest final occurrences, or `null` if the job has fewer than `count` final
 * occurrences.
 */
async function oldestOfLatest(table: Table, job: JobId, count: number): Promise<Victim | null> {
  let left = count
  // A few of the newest occurrences may still wait or run.
  for await (const record of history(table, job, { order: 'descending', firstLimit: count + 10 })) {
    if (isFinal(record.state) && --left === 0) return record
  }
  return null
}

/** Yields the occurrences of a job, without attributes that separate items hold. */
async function* history(
  { requests, keys }: Table,
  job: JobId,
  {
    to,
    order,
    firstLimit,
  }: { readonly to?: number; readonly order: 'ascending' | 'descending'; readonly firstLimit?: number },
): AsyncGenerator<Victim, void, undefined> {
  const range = ['-', to === undefined ? '~' : sortableInstant(to)] as const
  const query = { ...partitionQuery(keys.history(job), range), ScanIndexForward: order === 'ascending' }
  for await (const item of requests.queryAll(query, firstLimit)) {
    const { record, bulk } = readOccurrence(item)
    const keyId = item[names.keyId] === undefined ? null : (textOf(item, names.keyId) as OccurrenceId)
    yield { ...record, bulk, keyId }
  }
}

async function raiseFloor(table: Table, head: StoredHead, victims: readonly Victim[]): Promise<boolean> {
  let floor = head.pruneFloor ?? Number.NEGATIVE_INFINITY
  for (const record of victims) floor = Math.max(floor, lastSlotOf(record))
  if (floor === head.pruneFloor) return true
  const raised = { ...head, pruneFloor: floor, revision: head.revision + 1 }
  return await table.requests.put({ Item: headItem(table.keys, raised), ...hasRevision(head.revision) })
}

async function removeAll(table: Table, victims: readonly Victim[]): Promise<void> {
  const { requests, keys } = table
  const slots = victims.filter(({ kind }) => kind === 'slot')
  const requested = victims.filter(({ kind }) => kind !== 'slot')
  // A new request may have reused the id of a removed record. The address then belongs to the new record, and must stay. So
  // this code removes an address only if the address still has the scheduled time of the removed record.
  for (const some of groupsOf(requested, concurrency)) {
    const removals = some.map(({ id, scheduledAt }) => {
      const isSame = { ConditionExpression: 't = :t', ExpressionAttributeValues: { ':t': number(scheduledAt) } }
      return requests.delete({ Key: keyItem(keys.address(id)), ...isSame })
    })
    await Promise.all(removals)
  }
  const keyed = victims.flatMap(({ keyId, id }) => (keyId === null ? [] : { keyId, id }))
  for (const some of groupsOf(keyed, concurrency)) {
    await Promise.all(some.map(({ keyId, id }) => freeKey(table, keyId, id)))
  }
  // Removes the addresses first, and the records last. If the process crashes in between, the next prune still finds the
  // records.
  await requests.deleteAll(slots.map(({ id }) => keys.address(id)))
  for (const victim of victims)
    if (victim.bulk !== null) await requests.deleteAll(await partsOf(table, victim, victim.bulk))
  await requests.deleteAll(victims.map((record) => keys.occurrence(record)))
}

/**
 * Returns the keys of all parts of an occurrence, the separate items for its large attributes. Includes parts to which
 * its item does not refer.
 */
async function partsOf({ requests, keys }: Table, victim: Victim, bulk: Item): Promise<readonly Key[]> {
  const parts = new Map(bulkKeys(keys, victim.id, bulk).map((key) => [key.sk, key]))
  for await (const item of requests.queryAll(partsQuery(keys, victim))) parts.set(textOf(item, 'sk'), keyOf(item))
  return [...parts.values()]
}

/** Number of records that a prune reads to find the versions of a job that no record uses. */
const recordsRead = 200

/**
 * Removes the job if it is an old tombstone without occurrences. Otherwise removes the versions that no occurrence uses,
 * except the version in force.
 */
async function forget(table: Table, head: StoredHead, before: number): Promise<void> {
  const { id, version: inForce, deletedAt } = head
  const { requests, keys } = table
  const { pk, sk: newest } = keys.version(id, inForce)
  const versions = new Map<number, Key>()
  const stored = partitionQuery(pk, [keys.version(id, 0).sk, newest])
  const query = { ...stored, ProjectionExpression: 'pk, sk, n' }
  for await (const item of requests.queryAll(query)) versions.set(numberOf(item, 'n'), keyOf(item))
  if (deletedAt !== null && deletedAt < before && (await removeTombstone(table, id, before, versions))) return
  versions.delete(inForce)
  // Reads the oldest records first, because old versions usually belong to old records. When each old version has a record that
  // uses it, no version can be removed, and the read ends. If only a new record uses an old version, the read
  // would cost the whole history. So 99 of 100 prunes stop before that, and keep the undecided versions.
  if (versions.size === 0) return
  let left = random() < 0.01 ? Number.POSITIVE_INFINITY : recordsRead
  const records = { ...partitionQuery(keys.history(id)), ProjectionExpression: names.jobVersion }
  for await (const item of requests.queryAll(records, recordsRead)) {
    versions.delete(numberOf(item, names.jobVersion))
    if (versions.size === 0 || --left === 0) return
  }
  await requests.deleteAll([...versions.values()])
}

/** Removes the job if it is an old tombstone without occurrences. Returns whether the job was removed. */
async function removeTombstone(
  table: Table,
  id: JobId,
  before: number,
  versions: ReadonlyMap<number, Key>,
): Promise<boolean> {
  const { requests, keys } = table
  const head = await loadHead(table, id)
  if (head === null || head.deletedAt === null || head.deletedAt >= before || head.planParts > 0) return false
  const { items } = await requests.query({ ...partitionQuery(keys.history(id)), Limit: 1 })
  if (items.length > 0) return false
  // Removes the head last: without a head, another step may create the job again, as version 1.
  const old = [...versions].flatMap(([version, key]) => (version === head.version ? [] : key))
  await requests.deleteAll([...old, ...keys.activePages(id, head.pages)])
  return await requests.transact([
    { Delete: { TableName: requests.tableName, Key: keyItem(keys.head(id)), ...hasRevision(head.revision) } },
    remove(table, keys.version(id, head.version)),
    remove(table, keys.registered(id)),
    remove(table, keys.changed(id, head.changedAt)),
  ])
}
