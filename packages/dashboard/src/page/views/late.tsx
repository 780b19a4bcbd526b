import type { JobLine, LateView } from '../../wire.ts'
import { usePlace } from '../location.tsx'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Pager } from '../parts/pager.tsx'
import { JobLink } from '../parts/runs.tsx'
import { Heading } from '../parts/section.tsx'
import { StateBadge } from '../parts/state.tsx'
import { Ago, At, Took } from '../parts/time.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'

/** The page with the late jobs and their delays. */
export function Late() {
  const { cursor } = usePlace().query
  const late = useResource<LateView>(pathOf('/api/late', { cursor }), { on: ['jobs', 'runs'], everyMs: 10_000 })
  return (
    <>
      <Heading title="Late jobs" />
      <p class="quiet">A slot that no node has begun, skipped or counted as missed within 30 seconds.</p>
      <Loaded of={late}>
        {({ items, count, isPart, cursor: next }) => (
          <>
            <p role="status">
              {countText(count)}
              {isPart && ' Not all jobs were checked: more may be late.'}
            </p>
            <div class="card">
              {items.length === 0 ? <Empty>No job is late here.</Empty> : <LateTable jobs={items} />}
              <Pager cursor={next} />
            </div>
          </>
        )}
      </Loaded>
    </>
  )
}

function countText(count: number): string {
  if (count === 0) return 'Every slot that was due has been decided about.'
  return count === 1 ? '1 job is late.' : `${count.toLocaleString('en')} jobs are late.`
}

function LateTable({ jobs }: { readonly jobs: readonly JobLine[] }) {
  return (
    <div class="table-box" role="region" aria-label="Late jobs" tabIndex={0}>
      <table>
        <caption class="hidden-text">Late jobs, the latest first</caption>
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">Late by</th>
            <th scope="col">Slot</th>
            <th scope="col">Last run</th>
            <th scope="col" class="wide-only">
              Owner
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map(({ name, nextAt, schedule, lastRun, owner }) => (
            <tr key={name}>
              <td class="name-cell">
                <JobLink job={name} />
                <span class="sub" dir="auto">
                  {schedule}
                </span>
              </td>
              <td class="late-by">
                <Took from={nextAt} to={null} />
              </td>
              <td>
                <At at={nextAt} />
              </td>
              <td>
                {lastRun == null ? (
                  <span class="quiet">never</span>
                ) : (
                  <>
                    <StateBadge state={lastRun.state} />
                    <span class="sub">
                      <Ago at={lastRun.finishedAt} />
                    </span>
                  </>
                )}
              </td>
              <td class="wide-only break">{owner ?? <span class="quiet">–</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
