/** One page of a list. */
export interface ListPage<T> {
  readonly items: readonly T[]
  /** The cursor of the next page, for another call with the same filter. `null` on the last page. */
  readonly cursor: string | null
}

/**
 * The result of a listing method. Await the listing for one page, or loop over all items from that page on:
 *
 * ```ts
 * const { items, cursor } = await client.failures({ limit: 20 })
 * for await (const failure of client.failures({ from: yesterday })) console.log(failure.job)
 * ```
 *
 * A loop reads pages of `limit` items lazily. When the caller leaves the loop, the listing reads no further page.
 */
export type Listing<T> = Promise<ListPage<T>> & AsyncIterable<T>

/**
 * Makes a listing from `read`, which reads the page at a cursor. The listing reads the first page at once, and further pages
 * lazily.
 */
export function listing<T>(read: (cursor: string | undefined) => Promise<ListPage<T>>): Listing<T> {
  const first = read(undefined)
  async function* iterate(): AsyncGenerator<T, void, undefined> {
    for (let page = await first; ; page = await read(page.cursor)) {
      yield* page.items
      if (page.cursor === null) return
    }
  }
  return Object.assign(first, { [Symbol.asyncIterator]: iterate })
}

/** Returns the filter for the page at a cursor. Without a cursor, returns the filter itself. */
export function pageOf<Filter extends object>(filter: Filter, cursor: string | undefined): Filter {
  return cursor === undefined ? filter : { ...filter, cursor }
}

/** Compares two objects by `name`, for an ascending sort. */
export function byNameAscending(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0
}
