import type { OccurrenceQuery, OccurrenceRecord, Page, Storage } from '@jobistemer/core/storage'

const mostPerPage = 1000

type HistoryQuery = Extract<OccurrenceQuery, { readonly kind: 'job' }>

/**
 * Returns the first `count` occurrences that a query of a job's history finds, or all if there are fewer. Reads several
 * pages of the history if necessary, because a page may be short or empty although more pages follow.
 */
export async function firstOccurrences(
  { storage, signal }: { readonly storage: Pick<Storage, 'listOccurrences'>; readonly signal: AbortSignal },
  query: Omit<HistoryQuery, 'kind' | 'runs' | 'limit' | 'cursor'>,
  count: number,
): Promise<readonly OccurrenceRecord[]> {
  const found: OccurrenceRecord[] = []
  let cursor: string | null = null
  do {
    signal.throwIfAborted()
    const limit = Math.min(mostPerPage, count - found.length)
    const page: Page<OccurrenceRecord> = await storage.listOccurrences({
      ...query,
      kind: 'job',
      runs: false,
      limit,
      cursor,
    })
    found.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null && found.length < count)
  return found
}
