import type { Page, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** The page before another one is empty, and its cursor says so. */
const mark = 'after an empty page: '

/**
 * A storage that hands out an empty page before each page that it has, as one may that has looked through much of a long list
 * and found nothing.
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
