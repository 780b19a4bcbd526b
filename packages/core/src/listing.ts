/** A part of a list. */
export interface ListPage<T> {
  readonly items: readonly T[]
  /** Where the next page begins: give it to the same call with the same filter. `null` on the last page. */
  readonly cursor: string | null
}

/**
 * What a method that lists something returns. Await it for one page, or go through everything from that page on:
 *
 * ```ts
 * const { items, cursor } = await client.failures({ limit: 20 })
 * for await (const failure of client.failures({ from: yesterday })) console.log(failure.job)
 * ```
 *
 * A loop reads page by page as it gets there, `limit` items at a time, and stops reading when it is left.
 */
export type Listing<T> = Promise<ListPage<T>> & AsyncIterable<T>

/** The listing whose pages are read so: the first one at once, the others by the cursor of the one before. */
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

/** The filter for the page that begins at a cursor; the filter itself for the first one. */
export function pageOf<Filter extends object>(filter: Filter, cursor: string | undefined): Filter {
  return cursor === undefined ? filter : { ...filter, cursor }
}
