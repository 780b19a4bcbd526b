import type { MaybePromise } from './ledger/maybe-promise.ts'
import type { Page } from './storage.ts'

/** Reads the page of a list at a cursor; `null`: the first page. */
type ReadPage<T> = (cursor: string | null) => MaybePromise<Page<T>>

/** Yields the pages of a list. Reads each page only when the caller asks for it. */
export async function* eachPage<T>(read: ReadPage<T>): AsyncGenerator<Page<T>, void> {
  let cursor: string | null = null
  do {
    const page: Page<T> = await read(cursor)
    yield page
    cursor = page.cursor
  } while (cursor !== null)
}

/** Yields the items of all pages of a list. */
export async function* eachItem<T>(read: ReadPage<T>): AsyncGenerator<T, void> {
  for await (const { items } of eachPage(read)) yield* items
}

/**
 * Returns the items of the first page that is not empty; an empty list if all pages are empty. A storage may return an empty
 * page before the end of the list.
 */
export async function firstItems<T>(read: ReadPage<T>): Promise<readonly T[]> {
  for await (const { items } of eachPage(read)) if (items.length > 0) return items
  return []
}
