import { createHash } from 'node:crypto'
import type { OccurrenceId } from '@jobistemer/core'
import { type Item, number, numberOf, sizeOf, text, textOf } from './attributes.ts'
import { addressOfKey, type Key, type Keys } from './keys.ts'
import { keyOf, names } from './occurrence-item.ts'
import type { Requests } from './requests.ts'

// An item has at most 400 KB. The results of many tasks can be more, also compressed: then an attribute that is large lies
// in items of its own, which are named by the digest of their content and written before the record that refers to them.
// Parts that nothing refers to any more are harmless.

interface Place {
  readonly requests: Requests
  readonly keys: Keys
}

/**
 * Both attributes together are well below the 400 KB of DynamoDB. Each has a limit of its own, since one may be written
 * without a look at the other.
 */
const attributeLimit = 170_000
const partLimit = 300_000

/** The item as it can be stored: what makes it too large is written to parts first. */
export async function storeBulk(place: Place, item: Item): Promise<Item> {
  let stored = item
  for (const name of [names.runs, names.details]) {
    const value = stored[name]
    if (value !== undefined && sizeOf({ [name]: value }) > attributeLimit) stored = await moveOut(place, stored, name)
  }
  return stored
}

async function moveOut({ requests, keys }: Place, item: Item, name: string): Promise<Item> {
  const { [name]: value, ...rest } = item
  const isText = value?.B === undefined
  const bytes = Buffer.from(value?.B ?? value?.S ?? '')
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
  const { id } = addressOfKey(keyOf(item))
  const count = Math.ceil(bytes.length / partLimit)
  const parts = partKeys(keys, id, digest, count)
  await Promise.all(
    parts.map(async ({ pk, sk }, part) => {
      const content = { B: bytes.subarray(part * partLimit, (part + 1) * partLimit) }
      await requests.put({ Item: { pk: text(pk), sk: text(sk), b: content } })
    }),
  )
  return { ...rest, [referenceTo(name)]: { M: { d: text(digest), n: number(count), s: { BOOL: isText } } } }
}

/** The item as it was before {@link storeBulk}; `null` when a part is gone: the record was changed or is removed. */
export async function restoreBulk({ requests, keys }: Place, item: Item): Promise<Item | null> {
  let whole = item
  for (const name of [names.runs, names.details]) {
    const { [referenceTo(name)]: reference, ...rest } = whole
    if (reference?.M === undefined) continue
    const { id } = addressOfKey(keyOf(item))
    const places = partKeys(keys, id, textOf(reference.M, 'd'), numberOf(reference.M, 'n'))
    const found = await requests.getAll(places)
    const parts = places.map((place) => found.get(place)?.b?.B)
    if (!parts.every((part) => part !== undefined)) return null
    const bytes = Buffer.concat(parts)
    whole = { ...rest, [name]: reference.M.s?.BOOL === true ? { S: bytes.toString() } : { B: bytes } }
  }
  return whole
}

export function hasBulk(item: Item): boolean {
  return item[referenceTo(names.runs)] !== undefined || item[referenceTo(names.details)] !== undefined
}

/** The keys of the parts that an item refers to. */
export function bulkKeys(keys: Keys, item: Item): readonly Key[] {
  const { id } = addressOfKey(keyOf(item))
  return [names.runs, names.details].flatMap((name) => {
    const reference = item[referenceTo(name)]?.M
    return reference === undefined ? [] : partKeys(keys, id, textOf(reference, 'd'), numberOf(reference, 'n'))
  })
}

function partKeys(keys: Keys, id: OccurrenceId, digest: string, count: number): readonly Key[] {
  return Array.from({ length: count }, (_, part) => keys.part(id, digest, part))
}

/** The name of the attribute that stands for one that was moved out. */
export function referenceTo(name: string): string {
  return `${name}p`
}
