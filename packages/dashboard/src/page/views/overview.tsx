import type { ComponentChildren } from 'preact'
import type { JobLine, Overview as OverviewAnswer, SurveyView } from '../../wire.ts'
import { Link } from '../location.tsx'
import type { Query } from '../request.ts'
import { useResource } from '../resource.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { JobLink, RunsList } from '../parts/runs.tsx'
import { Heading, Section } from '../parts/section.tsx'
import { StateBadge } from '../parts/state.tsx'
import { Ago } from '../parts/time.tsx'

/** The start page: failures, late jobs, running runs and nodes. */
export function Overview() {
  const overview = useResource<OverviewAnswer>('/api/overview', { on: ['runs', 'failures', 'nodes'], everyMs: 10_000 })
  const survey = useResource<SurveyView>('/api/survey', { on: ['jobs', 'failures', 'runs'], everyMs: 15_000 })
  return (
    <>
      <Heading title="Overview" />
      <Loaded of={overview}>
        {({ counts, nodes }) => {
          const living = nodes.filter(({ state }) => state === 'working')
          const dead = nodes.filter(({ state }) => state === 'dead').length
          const look = survey.data
          const capacity = living.reduce((sum, { maxConcurrentJobs }) => sum + maxConcurrentJobs, 0)
          return (
            <ul class="tiles">
              <Tile
                to="/queue"
                query={{ state: 'running' }}
                label="Running"
                count={counts.running}
                isPart={counts.isPart}
              >
                {capacity > 0 && `of ${capacity} places`}
              </Tile>
              <Tile
                to="/queue"
                query={{ state: 'pending' }}
                label="Waiting"
                count={counts.pending + counts.queued}
                isPart={counts.isPart}
              >
                {counts.queued > 0 && `${counts.queued} queued behind a run`}
              </Tile>
              <Tile
                to="/jobs"
                query={{ outcome: 'bad' }}
                label="Failing jobs"
                count={look?.failingCount}
                isPart={isPartOf(look)}
                isBad
              >
                {look !== null && `of ${look.jobs}${isPartOf(look) ? '+' : ''} jobs`}
              </Tile>
              <Tile to="/late" label="Late jobs" count={look?.lateCount} isPart={isPartOf(look)} isBad>
                {look !== null && look.paused > 0 && `${look.paused} paused`}
              </Tile>
              <Tile to="/nodes" label="Nodes" count={living.length} isBad={living.length === 0 || dead > 0} badAt={-1}>
                {dead > 0 ? `${dead} dead` : 'at work'}
              </Tile>
            </ul>
          )
        }}
      </Loaded>
      <div class="columns">
        <div class="stack">
          <Loaded of={survey}>{(found) => <Attention survey={found} />}</Loaded>
          {overview.data !== null && (
            <Section title="Failures" aside={<Link to="/failures">All failures</Link>}>
              <RunsList
                runs={overview.data.failures}
                empty={
                  overview.data.isPart.failures
                    ? 'You may see none of the latest failures.'
                    : 'There is no unresolved failure.'
                }
              />
            </Section>
          )}
        </div>
        <div class="stack">
          {overview.data !== null && (
            <Section title="Running" aside={<Link to="/queue">Queue</Link>}>
              <RunsList
                runs={overview.data.running}
                empty={
                  overview.data.isPart.running
                    ? 'You may see none of the runs that were looked at here.'
                    : 'Nothing runs at the moment.'
                }
              />
            </Section>
          )}
          {overview.data !== null && overview.data.waiting.length > 0 && (
            <Section
              title="Waiting for a place"
              aside={
                <Link to="/queue" query={{ state: 'pending' }}>
                  All
                </Link>
              }
            >
              <RunsList runs={overview.data.waiting} empty="" />
            </Section>
          )}
          {survey.data !== null && <Upcoming slots={survey.data.upcoming} />}
        </div>
      </div>
    </>
  )
}

/**
 * Returns whether the survey, the overview's data about all jobs, is incomplete. There are two reasons:
 * - The server has not read all jobs.
 * - The request has reached its limit of calls of `authorize`.
 */
function isPartOf(look: SurveyView | null): boolean {
  return look !== null && (look.isPart || look.isAskedPart)
}

/** A job that needs attention, with the reasons: no code, late or failed. */
interface Attended {
  readonly job: JobLine
  readonly states: readonly string[]
  readonly at: string | null
}

/** Returns each job once, in the order of its most urgent reason: no code, late, failed. */
function attended({ late, failing, withoutCode }: SurveyView): readonly Attended[] {
  const found = new Map<string, Attended>()
  const add = (job: JobLine, state: string, at: string | null): void => {
    const known = found.get(job.name)
    found.set(
      job.name,
      known === undefined ? { job, states: [state], at } : { ...known, states: [...known.states, state] },
    )
  }
  for (const job of withoutCode) add(job, 'no_code', job.nextAt)
  for (const job of late) add(job, 'late', job.nextAt)
  for (const job of failing) add(job, job.lastRun?.state ?? 'failed', job.lastRun?.finishedAt ?? null)
  return [...found.values()]
}

/** Lists the jobs that are late, have no code, or failed in their last run. */
function Attention({ survey }: { readonly survey: SurveyView }) {
  const jobs = attended(survey)
  const more = survey.attentionCount - jobs.length
  return (
    <Section title="Jobs that need a look" aside={<Link to="/jobs">All jobs</Link>}>
      {jobs.length === 0 ? (
        <Empty>{nothingToLookAt(survey)}</Empty>
      ) : (
        <ul class="lines">
          {jobs.map((one) => (
            <AttentionLine key={one.job.name} {...one} />
          ))}
          {more > 0 && <li class="quiet">and {more.toLocaleString('en')} more</li>}
        </ul>
      )}
    </Section>
  )
}

function nothingToLookAt({ isAskedPart }: SurveyView): string {
  return isAskedPart
    ? 'No checked job is late or without code, and none failed in its last run. You may see more jobs.'
    : 'No job is late or without code, and none failed in its last run.'
}

function Upcoming({ slots }: { readonly slots: SurveyView['upcoming'] }) {
  return (
    <Section title="Next">
      {slots.length === 0 ? (
        <Empty>No job is scheduled.</Empty>
      ) : (
        <ul class="lines">
          {slots.slice(0, 8).map(({ job, at }) => (
            <li key={job}>
              <span class="line-main">
                <JobLink job={job} />
              </span>
              <span class="quiet line-end">
                <Ago at={at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  )
}

function AttentionLine({ job, states: [state, ...less], at }: Attended) {
  return (
    <li>
      {state !== undefined && <StateBadge state={state} />}
      <span class="line-main">
        <JobLink job={job.name} />
        <span class="quiet">{job.schedule}</span>
        {less.length > 0 && (
          <span>
            {less.map((one) => (
              <StateBadge key={one} state={one} />
            ))}
          </span>
        )}
      </span>
      <span class="quiet line-end">
        <Ago at={at} />
      </span>
    </li>
  )
}

interface TileProps {
  readonly to: string
  readonly query?: Query
  readonly label: string
  readonly count: number | undefined
  /** `true` if the real count may be higher than `count`. */
  readonly isPart?: boolean
  readonly isBad?: boolean
  /** If `isBad` is `true`, the tile is highlighted when `count` is higher than this number. Default: 0. */
  readonly badAt?: number
  readonly children?: ComponentChildren
}

function Tile({ to, query = {}, label, count, isPart = false, isBad = false, badAt = 0, children }: TileProps) {
  const tone = isBad && count !== undefined && count > badAt ? 'tile bad' : 'tile'
  return (
    <li class={tone}>
      <Link to={to} query={query}>
        <span class="tile-count">
          {count?.toLocaleString('en') ?? '…'}
          {isPart && '+'}
        </span>
        <span class="tile-label">{label}</span>
        <span class="tile-note">{children}</span>
      </Link>
    </li>
  )
}
