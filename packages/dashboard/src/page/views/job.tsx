import type { LiveCounts } from '@jobistemer/core'
import type { JobView } from '../../wire.ts'
import { Link, usePlace } from '../location.tsx'
import { BackfillButton } from '../parts/backfill.tsx'
import { Backfills } from '../parts/backfills.tsx'
import { Pause, Remove, Resume, RunNow } from '../parts/actions.tsx'
import { Loaded, NotNamed } from '../parts/loaded.tsx'
import { visibleName } from '../parts/runs.tsx'
import { Facts, Heading } from '../parts/section.tsx'
import { StateBadge } from '../parts/state.tsx'
import { Ago, AtAndAgo, JobZone } from '../parts/time.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'
import { JobRuns } from './job-runs.tsx'
import { JobSettings } from './job-settings.tsx'
import { JobUpcoming } from './job-upcoming.tsx'
import { JobVersions } from './job-versions.tsx'
import { Tags } from './jobs.tsx'

const tabs = [
  ['runs', 'Runs'],
  ['upcoming', 'Upcoming'],
  ['backfills', 'Backfills'],
  ['versions', 'Versions'],
  ['settings', 'Settings'],
] as const

/** The page of one job, with its tabs and actions. */
export function Job() {
  const { query } = usePlace()
  const { job: name = '', tab = 'runs' } = query
  const job = useResource<JobView>(name === '' ? null : pathOf('/api/job', { job: name }), {
    on: ['jobs', 'runs', 'failures'],
    everyMs: 15_000,
  })
  if (name === '') return <NotNamed what="job" />
  return (
    <>
      {job.data === null && <Heading title={visibleName(name)} />}
      <Loaded of={job}>
        {(found) => (
          <JobZone.Provider value={found.timezone}>
            <JobHead job={found} reload={job.reload} />
            <nav class="tabs" aria-label="Parts of the job">
              {tabs.map(([id, label]) => (
                <Link key={id} to="/job" query={{ job: name, tab: id }} aria-current={id === tab ? 'page' : undefined}>
                  {label}
                </Link>
              ))}
            </nav>
            {tab === 'runs' && <JobRuns job={found} />}
            {tab === 'upcoming' && <JobUpcoming job={found} />}
            {tab === 'backfills' && <Backfills of={name} />}
            {tab === 'versions' && <JobVersions job={found} />}
            {tab === 'settings' && <JobSettings job={found} />}
          </JobZone.Provider>
        )}
      </Loaded>
    </>
  )
}

/** Quotes a word for a POSIX shell. Words with special characters get single quotes. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function JobHead({ job, reload }: { readonly job: JobView; readonly reload: () => void }) {
  const { name, paused, rights, counts, lastRun } = job
  return (
    <div class="page-head">
      <div class="page-title">
        <Heading title={visibleName(name)} />
        <div class="badges">
          {paused !== null && <StateBadge state="paused" />}
          {job.isLate && <StateBadge state="late" />}
          {job.hasNoCode && <StateBadge state="no_code" />}
          {job.silentSince !== null && <StateBadge state="silent" />}
          <Tags tags={job.tags} />
        </div>
        {job.description !== null && (
          <p class="description" dir="auto">
            {job.description}
          </p>
        )}
        {job.hasNoCode && (
          <p class="callout" dir="auto">
            No living node has the code of this job: its runs wait. If you have removed or renamed the job in the code,
            remove it here or with <code>jobistemer remove {shellWord(name)}</code>. Otherwise start a node that has the
            code.
          </p>
        )}
        {paused !== null && (
          <p class="callout" dir="auto">
            Paused <Ago at={paused.at} />
            {paused.actor !== null && ` by ${paused.actor}`}
            {paused.until !== null && (
              <>
                , until <AtAndAgo at={paused.until} />
              </>
            )}
            {paused.reason !== null && `: ${paused.reason}`}
          </p>
        )}
        {paused === null && job.resumed !== null && (
          <p class="description" dir="auto">
            Resumed <Ago at={job.resumed.at} />
            {job.resumed.actor !== null && ` by ${job.resumed.actor}`}
            {job.resumed.reason !== null && `: ${job.resumed.reason}`}
          </p>
        )}
      </div>
      <div class="buttons">
        {rights.trigger && <RunNow job={name} tasks={job.tasks.map((task) => task.name)} reload={reload} />}
        {rights.pause && paused === null && <Pause job={name} reload={reload} />}
        {rights.resume && paused !== null && <Resume job={name} reload={reload} />}
        {rights.backfill && job.schedule !== null && job.schedule !== 'on request' && (
          <BackfillButton job={name} reload={reload} />
        )}
        {rights.remove && job.hasNoCode && (
          <Remove job={name} waiting={(counts?.pending ?? 0) + (counts?.queued ?? 0)} />
        )}
      </div>
      <Facts
        of={{
          Schedule: job.schedule ?? 'on request',
          Next: job.nextAt === null ? null : <AtAndAgo at={job.nextAt} />,
          'Last run':
            lastRun == null ? null : (
              <Link to="/run" query={{ run: lastRun.id }} class="plain">
                <StateBadge state={lastRun.state} /> <Ago at={lastRun.finishedAt} />
              </Link>
            ),
          'Last success': job.lastSuccessAt === null ? 'none' : <AtAndAgo at={job.lastSuccessAt} />,
          'Silent since': job.silentSince === null ? null : <AtAndAgo at={job.silentSince} />,
          Now: counts === null ? null : countsText(counts),
          Owner: job.owner,
          Version: String(job.version),
        }}
      />
    </div>
  )
}

function countsText({ running, pending, queued }: LiveCounts): string {
  const parts = [
    [running, 'running'],
    [pending, 'pending'],
    [queued, 'queued'],
  ] as const
  return parts
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count.toLocaleString('en')} ${what}`)
    .join(', ')
}
