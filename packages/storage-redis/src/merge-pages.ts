/**
 * The items of a shard, in their order. `seenUpTo`: the position up to which the shard has searched, or `null` if it
 * has searched to its end.
 */
export interface ShardPage<Item, Place> {
  readonly items: readonly Item[]
  readonly seenUpTo: Place | null
}

/** Merges the pages of all shards into one page, and returns the position at which the next page begins. */
export function mergePages<Item, Place>(
  pages: readonly ShardPage<Item, Place>[],
  limit: number,
  order: { readonly placeOf: (item: Item) => Place; readonly compare: (left: Place, right: Place) => number },
): { readonly items: readonly Item[]; readonly next: Place | null } {
  const { placeOf, compare } = order
  const found = pages.flatMap(({ items }) => items).sort((left, right) => compare(placeOf(left), placeOf(right)))
  // Items beyond the earliest position at which a shard stopped are left out, because that shard may have more items
  // that precede them.
  const [seenUpTo = null] = pages.flatMap(({ seenUpTo: place }) => (place === null ? [] : [place])).sort(compare)
  const sure = seenUpTo === null ? found : found.filter((item) => compare(placeOf(item), seenUpTo) <= 0)
  const items = sure.slice(0, limit)
  return { items, next: sure.length > limit ? placeOf(items.at(-1) as Item) : seenUpTo }
}
