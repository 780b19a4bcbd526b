import type { JobLine, Page, RunView } from '../../wire.ts'
import { Link, usePlace } from '../location.tsx'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { JobLink } from '../parts/runs.tsx'
import { Heading, Section } from '../parts/section.tsx'
import { StateBadge } from '../parts/state.tsx'
import { AtAndAgo } from '../parts/time.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'

/** The page that finds jobs by a part of their name, and runs by their id. */
export function Search() {
  const { q = '' } = usePlace().query
  const isRun = /^occ_[0-9a-f-]{36}$/.test(q)
  const jobs = useResource<Page<JobLine>>(q === '' || isRun ? null : pathOf('/api/jobs', { text: q, limit: 50 }))
  const run = useResource<RunView>(isRun ? pathOf('/api/run', { run: q }) : null)
  return (
    <>
      <Heading title={q === '' ? 'Search' : `Search for ${q}`} />
      {q === '' && <Empty>Give a part of a job’s name, or the id of a run.</Empty>}
      {isRun && (
        <Loaded of={run}>
          {(found) => (
            <Section title="Run">
              <ul class="lines">
                <li>
                  <StateBadge state={found.state} />
                  <span class="line-main">
                    <Link to="/run" query={{ run: found.id }}>
                      <bdi>{found.job ?? 'a deleted job'}</bdi>
                    </Link>
                  </span>
                  <AtAndAgo at={found.scheduledAt} />
                </li>
              </ul>
            </Section>
          )}
        </Loaded>
      )}
      {q !== '' && !isRun && (
        <Loaded of={jobs}>
          {({ items, cursor }) => (
            <Section title="Jobs">
              {items.length === 0 ? (
                <Empty>No job has this in its name.</Empty>
              ) : (
                <ul class="lines">
                  {items.map((job) => (
                    <li key={job.name}>
                      <span class="line-main">
                        <JobLink job={job.name} />
                        <span class="quiet">{job.schedule}</span>
                      </span>
                      {job.lastRun != null && <StateBadge state={job.lastRun.state} />}
                    </li>
                  ))}
                </ul>
              )}
              {cursor !== null && (
                <p class="note">
                  <Link to="/jobs" query={{ text: q }}>
                    All that match
                  </Link>
                </p>
              )}
            </Section>
          )}
        </Loaded>
      )}
    </>
  )
}
