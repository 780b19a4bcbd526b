import { useState } from 'preact/hooks'
import type { JobView, Page, RunLine } from '../../wire.ts'
import { type GridRuns, readGrid } from '../grid-runs.ts'
import { change, usePlace } from '../location.tsx'
import { Grid } from '../parts/grid.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { Pager } from '../parts/pager.tsx'
import { RunsTable } from '../parts/runs.tsx'
import { Section } from '../parts/section.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'

const states = [
  ['', 'All states'],
  ['failed,failed_stale,completed_with_errors', 'Did not go well'],
  ['completed', 'Completed'],
  ['running,pending,queued', 'Not over'],
  ['skipped,missed', 'Not run'],
  ['canceled', 'Canceled'],
] as const

const columns = [10, 50, 100, 500, 2000, 10_000] as const
/**
 * If the grid of a job has more tasks than this number, the grid first shows the last 10 runs. Otherwise it first shows the
 * last 50 runs.
 */
const manyTasks = 200
/** Approximate number of cells of the grid that the page reads in one request. A cell shows one task of one run. */
const cellsAtOnce = 2500

/** Shows the runs of a job: a grid of runs and tasks, and a list. */
export function JobRuns({ job }: { readonly job: JobView }) {
  const { query } = usePlace()
  const { length } = job.tasks
  const [count, setCount] = useState<number>(length > manyTasks ? columns[0] : columns[1])
  const options = { on: ['runs', 'failures'] as const, everyMs: 10_000 }
  const perPage = Math.min(500, Math.max(10, Math.floor(cellsAtOnce / length)))
  const grid = useResource<GridRuns>(pathOf('/api/grid', { job: job.name, limit: count }), {
    ...options,
    by: (reading) => readGrid({ job: job.name, count, perPage }, reading),
  })
  const isFiltered = query.states !== undefined || query.cursor !== undefined
  const list = useResource<Page<RunLine>>(
    pathOf('/api/history', { job: job.name, states: query.states, cursor: query.cursor, limit: 25 }),
    options,
  )
  return (
    <>
      <Section
        title="Slots and attempts"
        aside={
          <label class="inline-field">
            Runs{' '}
            <select value={String(count)} onChange={(event) => setCount(Number(event.currentTarget.value))}>
              {columns.map((one) => (
                <option key={one} value={String(one)}>
                  {one.toLocaleString('en')}
                </option>
              ))}
            </select>
          </label>
        }
      >
        <Loaded of={grid}>
          {({ columns: runs }) => <Grid columns={runs} tasks={job.tasks.map(({ name }) => name)} />}
        </Loaded>
      </Section>
      <Section
        title="Runs"
        aside={
          <label class="inline-field">
            State{' '}
            <select
              value={query.states ?? ''}
              onChange={(event) => change({ states: event.currentTarget.value, cursor: null }, { replaces: true })}
            >
              {states.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        }
      >
        <Loaded of={list}>
          {({ items, cursor }) => (
            <>
              <RunsTable
                runs={items}
                caption={`Runs of ${job.name}`}
                hasJobs={false}
                empty={isFiltered ? 'No run matches.' : 'This job has not run yet.'}
              />
              <Pager cursor={cursor} />
            </>
          )}
        </Loaded>
      </Section>
    </>
  )
}
