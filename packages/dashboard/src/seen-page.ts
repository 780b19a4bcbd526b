import type { Access } from './access.ts'
import type { Page } from './wire.ts'

/** Where a page of a list begins, and how long it may be. */
export interface PageAt {
  readonly limit: number
  readonly cursor: string | null
}

/** Whoever may see little is looked for so often at most, and then so many items at a time. */
const mostReads = 6
const readOnSize = 200

/**
 * A page of what may be seen. Where some of it may not, the list is read on until the page is full, its end is reached, or
 * about a thousand items were looked at: so nothing was found only where there is no cursor.
 */
export async function seenPage<T>(
  access: Pick<Access, 'may'>,
  { limit, cursor: first }: PageAt,
  read: (page: PageAt) => PromiseLike<Page<T>>,
  jobOf: (item: T) => string | null,
): Promise<Page<T>> {
  const found: T[] = []
  let cursor = first
  let size = limit
  for (let reads = 1; ; ) {
    const page = await read({ limit: size, cursor })
    const places: number[] = []
    for (const [place, item] of page.items.entries()) if (await access.may('view', jobOf(item))) places.push(place)
    const room = limit - found.length
    if (places.length > room) {
      // A cursor stands behind a whole page: so it is read again, as far as there is room.
      size = (places[room - 1] as number) + 1
      continue
    }
    for (const place of places) found.push(page.items[place] as T)
    cursor = page.cursor
    const isAllSeen = places.length === page.items.length
    if (cursor === null || isAllSeen || found.length === limit || reads === mostReads) return { items: found, cursor }
    reads++
    size = readOnSize
  }
}
