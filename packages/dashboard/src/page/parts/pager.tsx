import { change, usePlace } from '../location.tsx'

/**
 * Shows a button that opens the next page of a list, and a button that opens the first page. To open the previous page, the
 * user goes back in the history of the browser.
 */
export function Pager({ cursor }: { readonly cursor: string | null }) {
  const { query } = usePlace()
  if (cursor === null && query.cursor === undefined) return null
  return (
    <nav class="pager" aria-label="Pages">
      {query.cursor !== undefined && (
        <button type="button" class="button" onClick={() => change({ cursor: null })}>
          First page
        </button>
      )}
      {cursor !== null && (
        <button type="button" class="button" onClick={() => change({ cursor })}>
          Next page
        </button>
      )}
    </nav>
  )
}
