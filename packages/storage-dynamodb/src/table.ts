import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { JobId, OccurrenceId } from '@jobistemer/core'
import { isFinal, namingKey, type OccurrenceAddress, type OccurrenceWrite, random } from '@jobistemer/core/storage'
import { createHash } from 'node:crypto'
import { type Item, number, numberOf, sizeOf, text, textOf } from './attributes.ts'
import { contentionError } from './dynamodb-errors.ts'
import { readHead, type StoredHead } from './job-item.ts'
import type { JobReading } from './job-reading.ts'
import { addressOfKey, type Key, keyItem, keyOf, type Keys, sortableInstant, uuidOf } from './keys.ts'
import type { KnownVersions } from './known-versions.ts'
import { names, readOccurrence, type StoredOccurrence } from './occurrence-item.ts'
import { type FoundItems, partitionQuery, pause, type QueryInput, type Requests } from './requests.ts'
import type { PriorityLevels } from './live-index.ts'

/** The dependencies of all steps: requests, keys and caches of one storage. */
export interface Table {
  readonly requests: Requests
  readonly keys: Keys
  /** The priority levels of pending occurrences that this process knows. */
  readonly levels: PriorityLevels
  readonly versions: KnownVersions
  /** The last step that this storage has started on each job. */
  readonly stepsUnderWay: Map<JobId, Promise<void>>
}

/** Maximum number of concurrent requests of one call. A client has 50 sockets by default. */
export const concurrency = 24

/**
 * Maximum number of items of one step. The transaction of a larger step would conflict too often with transactions of other
 * nodes.
 */
export const itemsPerStep = 20

/**
 * Result of a step whose write failed, because another step wrote the same data after this step had read them. The step must
 * read the data again, and decide again what changes.
 */
export const contended: unique symbol = Symbol('contended')

const mostTries = 300
/** Maximum number of tries of a step that delays other jobs. The pauses between these tries are about 2 s in total. */
const briefTries = 40
const longestPauseMs = 120

/**
 * Repeats a step until its result is not `contended`, at most `mostTries` or `briefTries` times. If a step returns `contended`,
 * another step has succeeded in the meantime. So of several concurrent steps, at least one makes progress.
 */
export async function untilDecided<T>(
  { requests }: Table,
  what: string,
  attempt: () => Promise<T | typeof contended>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const answer = await attempt()
    if (answer !== contended) return answer
    if (tries === (requests === requests.brief ? briefTries : mostTries))
      throw contentionError(requests.tableName, what, tries)
    await pause(Math.ceil(random() * Math.min(longestPauseMs, 4 * 2 ** Math.min(tries, 10))))
  }
}

export async function loadHead({ requests, keys }: Table, job: JobId): Promise<StoredHead | null> {
  const item = await requests.get(keys.head(job))
  return item === null ? null : readHead(item)
}

/** Whether to read the task runs of occurrences, which may be in separate items. */
interface WithRuns {
  readonly runs: boolean
}

export async function loadOccurrences(
  table: Table,
  addresses: readonly OccurrenceAddress[],
  { runs }: WithRuns = { runs: true },
): Promise<readonly (StoredOccurrence | null)[]> {
  const { keys } = table
  const found = await readItems(
    table,
    addresses.map((address) => keys.occurrence(address)),
    { runs },
  )
  return addresses.map((address) => occurrenceIn(found, keys, address))
}

/** Reads items consistently, including their large values from separate items. */
export async function readItems(
  table: Table,
  wanted: readonly Key[],
  { runs }: WithRuns = { runs: true },
): Promise<FoundItems> {
  const found = await table.requests.getAll(wanted)
  for (const key of wanted) {
    const item = found.get(key)
    if (item === null || (runs && !hasBulk(item))) continue
    const whole = await wholeItem(table, item, { runs })
    if (whole === null) found.remove(key)
    else found.add(whole)
  }
  return found
}

/**
 * Returns an item with its large values from separate items. Reads the item again while other nodes change it. Returns `null`
 * if the item was removed.
 */
export async function wholeItem(table: Table, read: Item, { runs }: WithRuns = { runs: true }): Promise<Item | null> {
  const item = runs ? read : withoutRuns(read)
  if (!hasBulk(item)) return item
  return await untilDecided(table, textOf(item, 'sk'), async () => {
    const whole = await restoreBulk(table, item)
    if (whole !== null) return whole
    const again = await table.requests.get(keyOf(item))
    if (again === null) return null
    const wholeAgain = await restoreBulk(table, runs ? again : withoutRuns(again))
    if (wholeAgain !== null) return wholeAgain
    const { record, revision } = readOccurrence(again)
    // A final record never changes. So if a part (a separate item for a large value) is missing, a prune is removing
    // the record.
    if (isFinal(record.state)) return null
    // Parts are removed only after the record refers to others. So if the record has not changed, its part is lost.
    const last = await table.requests.get(keyOf(item))
    if (last === null || readOccurrence(last).revision !== revision) return contended
    return await restoreBulk(table, runs ? last : withoutRuns(last), true)
  })
}

function withoutRuns(item: Item): Item {
  const { [names.runs]: _runs, [referenceTo(names.runs)]: _reference, ...rest } = item
  return rest
}

export function occurrenceIn(found: FoundItems, keys: Keys, address: OccurrenceAddress): StoredOccurrence | null {
  const item = found.get(keys.occurrence(address))
  return item === null ? null : readOccurrence(item)
}

/** Returns the addresses of occurrences by their ids. An entry is `null` if the occurrence does not exist. */
export async function findAddresses(
  { requests, keys }: Table,
  ids: readonly OccurrenceId[],
): Promise<readonly (OccurrenceAddress | null)[]> {
  const found = await requests.getAll(ids.map((id) => keys.address(id)))
  return ids.map((id) => addressIn(found, keys, id))
}

export function addressIn(found: FoundItems, keys: Keys, id: OccurrenceId): OccurrenceAddress | null {
  const item = found.get(keys.address(id))
  return item === null ? null : { id, jobId: `job_${textOf(item, 'j')}`, scheduledAt: numberOf(item, 't') }
}

export function addressItem(keys: Keys, { id, jobId, scheduledAt }: OccurrenceAddress): Item {
  return { ...keyItem(keys.address(id)), j: text(jobId.slice(4)), t: number(scheduledAt) }
}

// The table has one item for each reusable key. The item contains the id, job and scheduled time of the last occurrence
// that was requested with the key.

/** Returns the address of a key's last occurrence; `null` if no occurrence has used the key. */
export function namedIn(found: FoundItems, keys: Keys, keyId: OccurrenceId): OccurrenceAddress | null {
  const item = found.get(keys.reusableKey(keyId))
  if (item === null) return null
  return { id: `occ_${textOf(item, 'i')}`, jobId: `job_${textOf(item, 'j')}`, scheduledAt: numberOf(item, 't') }
}

/**
 * Stores each new occurrence with a reusable key as the last occurrence of the key. The write has a condition: the key still
 * names the occurrence that the step has read. The condition on the head's revision does not ensure this. The step may read the
 * key before the head, and another request may write both between these two reads.
 */
export function nameByKeys(
  { requests, keys }: Table,
  job: JobReading,
  occurrences: readonly OccurrenceWrite[],
): readonly TransactWriteItem[] {
  const named = new Map<OccurrenceId, OccurrenceAddress>()
  for (const { before, after } of occurrences) {
    const keyId = namingKey(after)
    if (before === null && keyId !== undefined) named.set(keyId, after)
  }
  return [...named].map(([keyId, { id, jobId, scheduledAt }]) => {
    const read = job.keys.get(keyId)
    return {
      Put: {
        TableName: requests.tableName,
        Item: {
          ...keyItem(keys.reusableKey(keyId)),
          i: text(uuidOf(id)),
          j: text(uuidOf(jobId)),
          t: number(scheduledAt),
        },
        ...(read === undefined ? { ConditionExpression: 'attribute_not_exists(pk)' } : stillNames(read)),
      },
    }
  })
}

/** Removes the item of a reusable key if the item still names this occurrence. */
export async function freeKey({ requests, keys }: Table, keyId: OccurrenceId, id: OccurrenceId): Promise<void> {
  await requests.delete({ Key: keyItem(keys.reusableKey(keyId)), ...stillNames(id) })
}

function stillNames(id: OccurrenceId) {
  return { ConditionExpression: 'i = :i', ExpressionAttributeValues: { ':i': text(uuidOf(id)) } }
}

// These functions store a large attribute of an occurrence in separate items, its parts, because an item has at most 400 KB. A
// write stores the parts before the record that refers to the parts. If the write of the record fails, no record refers to
// these parts, and no step would remove them. So the write marks the record first, and a prune removes all parts of a marked
// record.

/**
 * Maximum size in bytes of an attribute that stays in its item. An item has two attributes that may be large; with this limit,
 * both fit into DynamoDB's limit of 400 KB. Each attribute has its own limit, because a step may write one attribute without
 * reading the other.
 */
const attributeLimit = 170_000
const partLimit = 300_000

/** Returns whether an attribute is too large for its item, so that separate items must hold it. */
export function isBulky(item: Item, name: string): boolean {
  const value = item[name]
  return value !== undefined && sizeOf({ [name]: value }) > attributeLimit
}

/** Writes a large attribute into separate items. Returns the item with a reference in place of the attribute. */
export async function moveOut({ requests, keys }: Table, item: Item, name: string): Promise<Item> {
  const { [name]: value, ...rest } = item
  const isText = value?.B === undefined
  const bytes = Buffer.from(value?.B ?? value?.S ?? '')
  const writing = nameOfWriting(item, name, bytes)
  const { id } = addressOfKey(keyOf(item))
  const parts = partKeys(keys, id, writing, Math.ceil(bytes.length / partLimit))
  await Promise.all(
    parts.map(async (key, part) => {
      const content = { B: bytes.subarray(part * partLimit, (part + 1) * partLimit) }
      await requests.put({ Item: { ...keyItem(key), b: content } })
    }),
  )
  const reference = { d: text(writing), n: number(parts.length), s: { BOOL: isText } }
  return { ...rest, [referenceTo(name)]: { M: reference }, [names.hadParts]: { BOOL: true } }
}

/**
 * Returns the name that all parts of a large attribute share.
 * - Equal content gets an equal name. So a repeated write overwrites its earlier parts, and leaves no further parts.
 * - The name for task runs contains the token and the sequence of the occurrence, which only grow. So no record refers to an
 *   outdated name again, and the parts with an outdated name can be removed.
 */
function nameOfWriting(item: Item, name: string, bytes: Buffer): string {
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
  const saying = name === names.runs ? `${numberOf(item, names.token)}.${numberOf(item, names.sequence)}.` : ''
  return `${namesBegin(addressOfKey(keyOf(item)))}${saying}${digest}`
}

/**
 * Returns the common prefix of the names of a record's parts. The prefix contains the scheduled time, because a later
 * occurrence can have the same id, if its request has the same key.
 */
function namesBegin({ scheduledAt }: OccurrenceAddress): string {
  return `${sortableInstant(scheduledAt)}.`
}

/**
 * Returns a query for the keys of all parts of an occurrence record, including parts that no attribute refers to. Parts are
 * separate items for large attributes.
 */
export function partsQuery(keys: Keys, address: OccurrenceAddress): QueryInput {
  const { pk, sk } = keys.parts(address.id, namesBegin(address))
  return { ...partitionQuery(pk, [sk, `${sk}~`]), ProjectionExpression: 'pk, sk' }
}

/**
 * Restores the large values of an item from their parts, which are separate items. Keeps the references to the parts.
 * Returns `null` if a part is missing, because another step has changed or removed the record. `withLost`: a value with a
 * missing part becomes damaged JSON without a reference, so that readers report the record as unreadable.
 */
async function restoreBulk({ requests, keys }: Table, item: Item, withLost = false): Promise<Item | null> {
  let whole = item
  for (const name of [names.runs, names.details]) {
    const reference = whole[referenceTo(name)]
    if (reference?.M === undefined) continue
    const { id } = addressOfKey(keyOf(item))
    const places = partKeys(keys, id, textOf(reference.M, 'd'), numberOf(reference.M, 'n'))
    const found = await requests.getAll(places)
    const parts = places.map((place) => found.get(place)?.b?.B)
    if (!parts.every((part) => part !== undefined)) {
      if (!withLost) return null
      // Without the reference, so that the next write of the record replaces it.
      const { [referenceTo(name)]: _lost, ...rest } = whole
      whole = { ...rest, [name]: { S: '' } }
      continue
    }
    const bytes = Buffer.concat(parts)
    whole = { ...whole, [name]: reference.M.s?.BOOL === true ? { S: bytes.toString() } : { B: bytes } }
  }
  return whole
}

function hasBulk(item: Item): boolean {
  return item[names.runsParts] !== undefined || item[names.detailsParts] !== undefined
}

/** Returns the keys of the parts, the separate items for large attributes, to which an occurrence item refers. */
export function bulkKeys(keys: Keys, id: OccurrenceId, item: Item): readonly Key[] {
  return [names.runs, names.details].flatMap((name) => {
    const reference = item[referenceTo(name)]?.M
    return reference === undefined ? [] : partKeys(keys, id, textOf(reference, 'd'), numberOf(reference, 'n'))
  })
}

/**
 * Returns the keys of the parts (separate items for large attributes) to which the item `before` refers and the item
 * `after` does not.
 */
export function outdatedParts(keys: Keys, id: OccurrenceId, before: Item, after: Item): readonly Key[] {
  const stays = new Set(bulkKeys(keys, id, after).map(({ sk }) => sk))
  return bulkKeys(keys, id, before).filter(({ sk }) => !stays.has(sk))
}

/**
 * Removes the parts to which the written record no longer refers. Parts are separate items for large attributes. If this
 * removal fails, a later prune removes the parts together with the record.
 */
export async function removeParts({ requests }: Table, parts: readonly Key[]): Promise<void> {
  try {
    await requests.deleteAll(parts)
  } catch {
    // Ignores an error of the removal: the write of the record has succeeded, so its caller must not receive an error.
  }
}

function partKeys(keys: Keys, id: OccurrenceId, writing: string, count: number): readonly Key[] {
  return Array.from({ length: count }, (_, part) => keys.part(id, writing, part))
}

/** Returns the name of the attribute that refers to the separate items of the large attribute `name`. */
export function referenceTo(name: string): string {
  return `${name}p`
}
