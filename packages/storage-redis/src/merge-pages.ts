/** What a shard has found in its order, and how far it has looked; `null`: to its end. */
export interface ShardPage<Item, Place> {
  readonly items: readonly Item[]
  readonly seenUpTo: Place | null
}

/** One page of what all shards have found, and where the next one begins. */
export function mergePages<Item, Place>(
  pages: readonly ShardPage<Item, Place>[],
  limit: number,
  order: { readonly placeOf: (item: Item) => Place; readonly compare: (left: Place, right: Place) => number },
): { readonly items: readonly Item[]; readonly next: Place | null } {
  const { placeOf, compare } = order
  const found = pages.flatMap(({ items }) => items).sort((left, right) => compare(placeOf(left), placeOf(right)))
  // Beyond where some shard has stopped, others may have found what it has not.
  const [seenUpTo = null] = pages.flatMap(({ seenUpTo: place }) => (place === null ? [] : [place])).sort(compare)
  const sure = seenUpTo === null ? found : found.filter((item) => compare(placeOf(item), seenUpTo) <= 0)
  const items = sure.slice(0, limit)
  return { items, next: sure.length > limit ? placeOf(items.at(-1) as Item) : seenUpTo }
}
