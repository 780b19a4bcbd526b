import type { Access } from './access.ts'
import type { DashboardAction } from './options.ts'
import type { Page } from './wire.ts'

/** The position of a page in a list: the cursor, and the maximum number of items. */
export interface PageAt {
  readonly limit: number
  readonly cursor: string | null
}

/** Maximum number of reads for one page of a list. If the viewer may see only few items, one read does not fill the page. */
const mostReads = 6
const readOnSize = 200

/**
 * Returns a page of the items whose jobs the viewer may see. Continues to read until the page is full or the list ends.
 * Also stops after about 1,000 read items, or when the request has reached its limit of calls of `authorize`. A `null`
 * cursor marks the end of the list.
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
      // The read found more visible items than the page has room for, and its cursor lies after all these items. So the loop
      // repeats the read with a smaller size. The repeated read ends at the last item of the page.
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
