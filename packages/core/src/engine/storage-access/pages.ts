import type { Page } from '../../storage/storage.ts'

/**
 * Returns the items of the first page that is not empty; an empty list if all pages are empty. A storage may return an empty
 * page with a cursor after it has read a part of the list. So one empty page does not show that the list is empty.
 */
export async function firstItems<T>(read: (cursor: string | null) => Promise<Page<T>>): Promise<readonly T[]> {
  let cursor: string | null = null
  for (;;) {
    const page: Page<T> = await read(cursor)
    if (page.items.length > 0 || page.cursor === null) return page.items
    cursor = page.cursor
  }
}
