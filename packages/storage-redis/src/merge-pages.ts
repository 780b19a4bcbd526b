import type { JobRecord } from '@jobistemer/core/storage'

/** What a shard has found in its order, and how far it has looked; `null`: to its end. */
export interface ShardPage<Place> {
  readonly items: readonly JobRecord[]
  readonly seenUpTo: Place | null
}

/** One page of what all shards have found, and where the next one begins. */
export function mergePages<Place>(
  pages: readonly ShardPage<Place>[],
  limit: number,
  order: { readonly placeOf: (job: JobRecord) => Place; readonly compare: (left: Place, right: Place) => number },
): { readonly items: readonly JobRecord[]; readonly next: Place | null } {
  const { placeOf, compare } = order
  const found = pages.flatMap(({ items }) => items).sort((left, right) => compare(placeOf(left), placeOf(right)))
  // Beyond where some shard has stopped, others may have found what it has not.
  const [seenUpTo = null] = pages.flatMap(({ seenUpTo: place }) => (place === null ? [] : [place])).sort(compare)
  const sure = seenUpTo === null ? found : found.filter((job) => compare(placeOf(job), seenUpTo) <= 0)
  const items = sure.slice(0, limit)
  return { items, next: sure.length > limit ? placeOf(items.at(-1) as JobRecord) : seenUpTo }
}
