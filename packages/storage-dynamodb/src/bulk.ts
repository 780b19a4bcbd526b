import { createHash } from 'node:crypto'
import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceAddress } from '@jobistemer/core/storage'
import { type Item, number, numberOf, sizeOf, text, textOf } from './attributes.ts'
import { addressOfKey, type Key, keyOf, type Keys, sortableInstant } from './keys.ts'
import { names } from './occurrence-item.ts'
import { partitionQuery, type QueryInput, type Requests } from './requests.ts'

// DynamoDB limits an item to 400 KB. The results of many tasks can be larger, even compressed. Such a large attribute is stored
// in separate items, its parts, before the record that refers to them. A write that fails, or whose answer is lost, can leave
// parts that no record refers to. So the record is marked before its first parts are written. A prune of a marked record
// removes all of its parts. Only the parts of a record whose creation was interrupted are never removed.

interface Place {
  readonly requests: Requests
  readonly keys: Keys
}

/**
 * Maximum size of an attribute that stays in its item, in bytes. An item has two attributes that may be large. Together
 * they then stay well below DynamoDB's limit of 400 KB. Each attribute has its own limit, because a step may write one
 * without reading the other.
 */
const attributeLimit = 170_000
const partLimit = 300_000

/** Returns whether an attribute is too large for its item and must be moved to separate items, its parts. */
export function isBulky(item: Item, name: string): boolean {
  const value = item[name]
  return value !== undefined && sizeOf({ [name]: value }) > attributeLimit
}

/** Writes the parts of a large attribute. Returns the item with a reference to the parts instead of the attribute. */
export async function moveOut({ requests, keys }: Place, item: Item, name: string): Promise<Item> {
  const { [name]: value, ...rest } = item
  const isText = value?.B === undefined
  const bytes = Buffer.from(value?.B ?? value?.S ?? '')
  const writing = nameOfWriting(item, name, bytes)
  const { id } = addressOfKey(keyOf(item))
  const parts = partKeys(keys, id, writing, Math.ceil(bytes.length / partLimit))
  await Promise.all(
    parts.map(async ({ pk, sk }, part) => {
      const content = { B: bytes.subarray(part * partLimit, (part + 1) * partLimit) }
      await requests.put({ Item: { pk: text(pk), sk: text(sk), b: content } })
    }),
  )
  const reference = { d: text(writing), n: number(parts.length), s: { BOOL: isText } }
  return { ...rest, [referenceTo(name)]: { M: reference }, [names.hadParts]: { BOOL: true } }
}

/**
 * Returns the name of the parts of a large attribute. The same content gets the same name, so a repeated write leaves
 * no further parts. The token and sequence of an occurrence only grow, so an outdated name is never referred to again
 * and its parts can be removed.
 */
function nameOfWriting(item: Item, name: string, bytes: Buffer): string {
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
  const saying = name === names.runs ? `${numberOf(item, names.token)}.${numberOf(item, names.sequence)}.` : ''
  return `${namesBegin(addressOfKey(keyOf(item)))}${saying}${digest}`
}

/**
 * Returns the common prefix of the names of a record's parts. The prefix contains the scheduled time, because a later
 * request with the same key has the same id.
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
 * Returns `null` if a part is missing, because another step has changed or removed the record.
 */
export async function restoreBulk({ requests, keys }: Place, item: Item): Promise<Item | null> {
  let whole = item
  for (const name of [names.runs, names.details]) {
    const reference = whole[referenceTo(name)]
    if (reference?.M === undefined) continue
    const { id } = addressOfKey(keyOf(item))
    const places = partKeys(keys, id, textOf(reference.M, 'd'), numberOf(reference.M, 'n'))
    const found = await requests.getAll(places)
    const parts = places.map((place) => found.get(place)?.b?.B)
    if (!parts.every((part) => part !== undefined)) return null
    const bytes = Buffer.concat(parts)
    whole = { ...whole, [name]: reference.M.s?.BOOL === true ? { S: bytes.toString() } : { B: bytes } }
  }
  return whole
}

export function hasBulk(item: Item): boolean {
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
 * Removes parts, the separate items for large attributes, to which the written record no longer refers. If the removal
 * fails, a prune removes them with the record.
 */
export async function removeParts({ requests }: Place, parts: readonly Key[]): Promise<void> {
  if (parts.length === 0) return
  try {
    await requests.deleteAll(parts)
  } catch {
    // The write of the record has succeeded, so the caller of the write must not receive the error of the removal.
  }
}

function partKeys(keys: Keys, id: OccurrenceId, writing: string, count: number): readonly Key[] {
  return Array.from({ length: count }, (_, part) => keys.part(id, writing, part))
}

/** Returns the name of the attribute that refers to the separate items with the parts of the large attribute `name`. */
export function referenceTo(name: string): string {
  return `${name}p`
}
