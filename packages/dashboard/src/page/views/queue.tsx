import type { CountsView, Page, RunLine } from '../../wire.ts'
import { Link, usePlace } from '../location.tsx'
import { Bulk } from '../parts/bulk.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { Pager } from '../parts/pager.tsx'
import { RunsTable } from '../parts/runs.tsx'
import { Heading } from '../parts/section.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'
import { session } from '../session.ts'
import { useStore } from '../store.ts'

const states = [
  ['running', 'Running', 'Nothing runs at the moment.'],
  ['pending', 'Pending', 'Nothing waits for a node.'],
  ['queued', 'Queued', 'Nothing waits behind an earlier run of its job.'],
] as const

/** The page with the running, pending and queued runs. */
export function Queue() {
  const { query } = usePlace()
  const { state = 'running', node, cursor } = query
  const options = { on: ['runs'] as const, everyMs: 5000 }
  const counts = useResource<CountsView>('/api/counts', options)
  const runs = useResource<Page<RunLine>>(pathOf('/api/live', { state, node, cursor }), options)
  const { readOnly } = useStore(session)
  const empty = states.find(([id]) => id === state)?.[2] ?? ''
  return (
    <>
      <Heading title="Queue" />
      <div class="filters">
        <nav class="tabs" aria-label="States">
          {states.map(([id, label]) => (
            <Link key={id} to="/queue" query={{ state: id }} aria-current={id === state ? 'page' : undefined}>
              {label}{' '}
              <span class="count">
                {counts.data?.[id].toLocaleString('en')}
                {counts.data?.isPart === true && '+'}
              </span>
            </Link>
          ))}
        </nav>
        {!readOnly && (
          <Bulk
            path="/api/bulk-runs"
            filter={{ state, node }}
            unit="run"
            actions={[
              {
                action: 'cancel',
                label: 'Cancel all',
                title: `Cancel everything that is ${state}`,
                submit: 'Cancel them',
                cancel: 'Keep them',
                isDangerous: true,
              },
            ]}
            reload={runs.reload}
          />
        )}
      </div>
      {node !== undefined && (
        <p class="callout">
          Only on node <bdi>{node}</bdi>.{' '}
          <Link to="/queue" query={{ state }}>
            On all nodes
          </Link>
        </p>
      )}
      <Loaded of={runs}>
        {({ items, cursor: next }) => (
          <div class="card">
            <RunsTable
              runs={items}
              caption={`Runs that are ${state}`}
              empty={
                next === null
                  ? empty
                  : 'You may see none of the runs that were looked at here. The next page looks further.'
              }
            />
            <Pager cursor={next} />
          </div>
        )}
      </Loaded>
    </>
  )
}
