import type { Access } from './access.ts'
import type { DashboardAction } from './options.ts'
import type { Page } from './wire.ts'

/** The cursor and the maximum length of a page. */
export interface PageAt {
  readonly limit: number
  readonly cursor: string | null
}

/** Maximum number of further reads if the viewer may see few items, and the number of items in each. */
const mostReads = 6
const readOnSize = 200

/**
 * A page of the items whose jobs the viewer may see, or may act on. The list is read on until the page is full, the list
 * ends, about a thousand items were read, or the request has put all its questions. Without a cursor, the list has ended.
 */
export async function seenPage<T>(
  access: Pick<Access, 'may' | 'isSpent'>,
  { limit, cursor: first }: PageAt,
  read: (page: PageAt) => PromiseLike<Page<T>>,
  jobOf: (item: T) => string | null,
  action: DashboardAction = 'view',
): Promise<Page<T>> {
  const found: T[] = []
  let cursor = first
  let size = limit
  for (let reads = 1; ; ) {
    const page = await read({ limit: size, cursor })
    const places: number[] = []
    let asked = 0
    for (const item of page.items) {
      const isSeen = await access.may(action, jobOf(item))
      if (!isSeen && access.isSpent) break
      if (isSeen) places.push(asked)
      asked++
    }
    const room = limit - found.length
    if (places.length > room) {
      // The storage's cursor points behind the whole page, so this reads the page again with fewer items.
      size = (places[room - 1] as number) + 1
      continue
    }
    if (asked < page.items.length) {
      if (asked === 0) return { items: found, cursor: cursor ?? '' }
      size = asked
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
