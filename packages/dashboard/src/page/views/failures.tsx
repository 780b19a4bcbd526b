import type { Page, RunLine } from '../../wire.ts'
import { usePlace } from '../location.tsx'
import { Bulk } from '../parts/bulk.tsx'
import { Filters } from '../parts/filters.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { Pager } from '../parts/pager.tsx'
import { RunsTable } from '../parts/runs.tsx'
import { Heading } from '../parts/section.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'
import { session } from '../session.ts'
import { useStore } from '../store.ts'

const shown = [
  ['', 'Unresolved'],
  ['true', 'Also those replayed or backfilled since'],
] as const

/** The page with the failures of all jobs or of one job. */
export function Failures() {
  const { query } = usePlace()
  const { of, cursor, resolved } = query
  const failures = useResource<Page<RunLine>>(pathOf('/api/failures', { of, resolved, cursor }), {
    on: ['failures'],
    everyMs: 15_000,
  })
  const { readOnly } = useStore(session)
  return (
    <>
      <Heading title="Failures" />
      <Filters
        fields={[
          { name: 'of', label: 'Job', kind: 'search' },
          { name: 'resolved', label: 'Show', kind: 'choice', choices: shown },
        ]}
        aside={
          !readOnly && (
            <Bulk
              path="/api/bulk-runs"
              filter={{ of }}
              unit="failure"
              actions={[
                {
                  action: 'replay',
                  label: 'Replay all',
                  title: 'Replay every unresolved failure',
                  submit: 'Replay them',
                },
              ]}
              reload={failures.reload}
            />
          )
        }
      />
      <Loaded of={failures}>
        {({ items, cursor: next }) => (
          <div class="card">
            <RunsTable runs={items} caption="Failures" empty={emptyOf(next, cursor, resolved)} />
            <Pager cursor={next} />
          </div>
        )}
      </Loaded>
    </>
  )
}

function emptyOf(next: string | null, cursor: string | undefined, resolved: string | undefined): string {
  if (next !== null) return 'You may see none of the failures that were looked at here. The next page looks further.'
  if (cursor !== undefined) return 'There are no further failures.'
  return resolved === 'true'
    ? 'Nothing has failed, as far as history is kept.'
    : 'Every failure is resolved, as far as history is kept.'
}
