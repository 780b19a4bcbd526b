import type { Bar, JobLine, Page } from '../../wire.ts'
import { Bulk } from '../parts/bulk.tsx'
import { Filters } from '../parts/filters.tsx'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Pager } from '../parts/pager.tsx'
import { JobLink } from '../parts/runs.tsx'
import { Heading } from '../parts/section.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import { StateBadge } from '../parts/state.tsx'
import { Ago } from '../parts/time.tsx'
import { Link, usePlace } from '../location.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'
import { useStore } from '../store.ts'
import { session } from '../session.ts'

const outcomes = [
  ['', 'Any outcome'],
  ['bad', 'Did not go well'],
  ['completed', 'Completed'],
  ['failed', 'Failed'],
  ['completed_with_errors', 'With errors'],
  ['failed_stale', 'Failed, stale'],
  ['canceled', 'Canceled'],
] as const

/** The page with all jobs, filtered and divided into pages. */
export function Jobs() {
  const { query } = usePlace()
  const { text, owner, tag, paused, outcome, cursor } = query
  const filter = { text, owner, tag, paused, outcome }
  const jobs = useResource<Page<JobLine>>(pathOf('/api/jobs', { ...filter, cursor }), {
    on: ['jobs', 'runs', 'failures'],
    everyMs: 15_000,
  })
  const isThere = jobs.data !== null
  const sparklines = useResource<Readonly<Record<string, readonly Bar[]>>>(
    isThere ? pathOf('/api/sparklines', { ...filter, cursor }) : null,
    { on: ['runs'], everyMs: 30_000 },
  )
  const { readOnly } = useStore(session)
  return (
    <>
      <Heading title="Jobs" />
      <Filters
        fields={[
          { name: 'text', label: 'Name has', kind: 'search' },
          { name: 'outcome', label: 'Last outcome', kind: 'choice', choices: outcomes },
          {
            name: 'paused',
            label: 'Paused',
            kind: 'choice',
            choices: [
              ['', 'All jobs'],
              ['true', 'Paused'],
              ['false', 'Not paused'],
            ],
          },
          { name: 'owner', label: 'Owner', kind: 'search' },
          { name: 'tag', label: 'Tag', kind: 'search' },
        ]}
        aside={
          !readOnly && (
            <Bulk
              path="/api/bulk-jobs"
              filter={filter}
              unit="job"
              actions={[
                { action: 'pause', label: 'Pause all', title: 'Pause every job that matches', submit: 'Pause them' },
                {
                  action: 'resume',
                  label: 'Resume all',
                  title: 'Resume every job that matches',
                  submit: 'Resume them',
                },
                {
                  action: 'trigger',
                  label: 'Run all',
                  title: 'Run every job that matches',
                  submit: 'Run them',
                  needsFilter:
                    'Set a filter first, such as a tag or a part of the name. Without one, every job would run.',
                },
              ]}
              reload={jobs.reload}
            />
          )
        }
      />
      <Loaded of={jobs}>
        {(page) => (
          <>
            {page.items.length === 0 ? (
              <div class="card">
                <Empty>{emptyOf(page.cursor, Object.values(filter).some(Boolean))}</Empty>
              </div>
            ) : (
              <JobsTable jobs={page.items} sparklines={sparklines.data} />
            )}
            <Pager cursor={page.cursor} />
          </>
        )}
      </Loaded>
    </>
  )
}

interface TableProps {
  readonly jobs: readonly JobLine[]
  readonly sparklines: Readonly<Record<string, readonly Bar[]>> | null
}

function JobsTable({ jobs, sparklines }: TableProps) {
  return (
    <div class="card table-box" role="region" aria-label="Jobs" tabIndex={0}>
      <table>
        <caption class="hidden-text">Jobs</caption>
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">Last run</th>
            <th scope="col" class="wide-only">
              Durations
            </th>
            <th scope="col">Next</th>
            <th scope="col" class="wide-only">
              Now
            </th>
            <th scope="col" class="wide-only">
              Owner
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.name}>
              <td class="name-cell">
                <JobLink job={job.name} />
                <span class="sub" dir="auto">
                  {job.schedule ?? 'on request'}
                </span>
                <Tags tags={job.tags} />
              </td>
              <td>
                <LastRun job={job} />
              </td>
              <td class="wide-only">
                <Sparkline bars={sparklines?.[job.name] ?? []} />
              </td>
              <td>
                <Next job={job} />
              </td>
              <td class="wide-only">
                <Counts job={job} />
              </td>
              <td class="wide-only break">
                {job.owner === null ? (
                  <span class="quiet">–</span>
                ) : (
                  <Link to="/jobs" query={{ owner: job.owner }} class="clamp">
                    {job.owner}
                  </Link>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

export function Tags({ tags }: { readonly tags: readonly string[] }) {
  if (tags.length === 0) return null
  return (
    <span class="tags">
      {tags.map((tag) => (
        <Link key={tag} class="tag" to="/jobs" query={{ tag }}>
          {tag}
        </Link>
      ))}
    </span>
  )
}

function LastRun({ job: { lastRun } }: { readonly job: JobLine }) {
  if (lastRun == null) return <span class="quiet">never</span>
  return (
    <Link to="/run" query={{ run: lastRun.id }} class="plain">
      <StateBadge state={lastRun.state} />
      <span class="sub">
        <Ago at={lastRun.finishedAt} />
      </span>
    </Link>
  )
}

function Next({ job }: { readonly job: JobLine }) {
  if (job.hasNoCode) return <StateBadge state="no_code" />
  if (job.paused !== null) {
    return (
      <>
        <StateBadge state="paused" />
        <span class="sub">{job.paused.until !== null && <Ago at={job.paused.until} />}</span>
      </>
    )
  }
  if (job.isLate) {
    return (
      <>
        <StateBadge state="late" />
        <span class="sub">
          <Ago at={job.nextAt} />
        </span>
      </>
    )
  }
  return <Ago at={job.nextAt} none="–" />
}

function Counts({ job: { counts } }: { readonly job: JobLine }) {
  if (counts === null) return null
  const { running, pending, queued } = counts
  if (running + pending + queued === 0) return <span class="quiet">–</span>
  return (
    <span class="counts">
      {running > 0 && <span>{running} running</span>}
      {pending > 0 && <span>{pending} pending</span>}
      {queued > 0 && <span>{queued} queued</span>}
    </span>
  )
}

function emptyOf(cursor: string | null, isFiltered: boolean): string {
  if (cursor !== null) return 'You may see none of the jobs that were looked at here. The next page looks further.'
  return isFiltered ? 'No job matches.' : 'There are no jobs yet: start a scheduler with some.'
}
