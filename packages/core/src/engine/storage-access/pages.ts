import type { Page } from '../../storage/storage.ts'

/**
 * The items of the first page that has any; none when the list has none. A storage may hand out an empty page with a cursor,
 * which says only that it has looked through a part of the list: so one page alone never tells that there is nothing.
 */
export async function firstItems<T>(read: (cursor: string | null) => Promise<Page<T>>): Promise<readonly T[]> {
  let cursor: string | null = null
  for (;;) {
    const page: Page<T> = await read(cursor)
    if (page.items.length > 0 || page.cursor === null) return page.items
    cursor = page.cursor
  }
}
