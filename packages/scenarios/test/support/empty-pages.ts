import type { Page, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Prefix of the cursor that comes with an empty page. The next read with this cursor returns the page with items. */
const mark = 'after an empty page: '

/**
 * Wraps a storage so that it returns an empty page before each page. A real storage may do so after it has scanned a long
 * list without a match.
 */
export function withEmptyPages(storage: Storage): Storage {
  async function page<T>(cursor: string | null, read: (cursor: string | null) => Promise<Page<T>>): Promise<Page<T>> {
    if (cursor?.startsWith(mark) !== true) return { items: [], cursor: `${mark}${cursor ?? ''}` }
    const rest = cursor.slice(mark.length)
    return await read(rest === '' ? null : rest)
  }
  return wrapStorage(storage, {
    listJobs: (query) => page(query.cursor, (cursor) => storage.listJobs({ ...query, cursor })),
    listOccurrences: (query) => page(query.cursor, (cursor) => storage.listOccurrences({ ...query, cursor })),
  })
}
