import type { RunLine } from '../../wire.ts'
import { Link } from '../location.tsx'
import { Empty } from './loaded.tsx'
import { StateBadge, StateLegend } from './state.tsx'
import { Ago, At, AtAndAgo, Took } from './time.tsx'

interface RunsProps {
  readonly runs: readonly RunLine[]
  readonly caption: string
  readonly empty: string
  readonly hasJobs?: boolean
}

/** Shows runs as a table, one run per row. */
export function RunsTable({ runs, caption, empty, hasJobs = true }: RunsProps) {
  if (runs.length === 0) return <Empty>{empty}</Empty>
  return (
    <>
      <div class="table-box" role="region" aria-label={caption} tabIndex={0}>
        <table class="runs">
          <caption class="hidden-text">{caption}</caption>
          <thead>
            <tr>
              {hasJobs && <th scope="col">Job</th>}
              <th scope="col">State</th>
              <th scope="col">Scheduled</th>
              <th scope="col" class="wide-only">
                Took
              </th>
              <th scope="col" class="wide-only">
                Node
              </th>
              <th scope="col">What</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={run.id}>
                {hasJobs && (
                  <td class="name-cell">
                    <JobLink job={run.job} />
                  </td>
                )}
                <td>
                  <StateBadge state={run.state} detail={run.reason === run.state ? null : shortReason(run.reason)} />
                </td>
                <td>
                  <Link to="/run" query={{ run: run.id }}>
                    <AtAndAgo at={run.slot ?? run.scheduledAt} />
                  </Link>
                </td>
                <td class="wide-only">
                  <Took from={run.startedAt} to={run.finishedAt} />
                </td>
                <td class="wide-only break">{run.node ?? <span class="quiet">–</span>}</td>
                <td class="what-cell">
                  <What run={run} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <StateLegend />
    </>
  )
}

/** A short list of runs, for the overview. */
export function RunsList({ runs, empty }: { readonly runs: readonly RunLine[]; readonly empty: string }) {
  if (runs.length === 0) return <Empty>{empty}</Empty>
  return (
    <ul class="lines">
      {runs.map((run) => (
        <li key={run.id}>
          <StateBadge state={run.state} />
          <span class="line-main">
            <Link to="/run" query={{ run: run.id }} class="line-name">
              <bdi>{run.job ?? 'a deleted job'}</bdi>
            </Link>
            <What run={run} />
          </span>
          <span class="quiet line-end">
            <Ago at={run.finishedAt ?? run.startedAt ?? run.scheduledAt} />
          </span>
        </li>
      ))}
    </ul>
  )
}

/** Returns the name of a job as a visible text. Quotes a name that is only white space. */
export function visibleName(job: string): string {
  return job.trim() === '' ? JSON.stringify(job) : job
}

export function JobLink({ job }: { readonly job: string | null }) {
  if (job === null) return <span class="quiet">a deleted job</span>
  return (
    <Link to="/job" query={{ job }}>
      <bdi>{visibleName(job)}</bdi>
    </Link>
  )
}

/** Shows the details of a run for the column `What`, such as its actor and its error. The column `State` shows the state. */
function What({ run }: { readonly run: RunLine }) {
  const { kind, recovered, isBackfill, actor, rescues, slots, error, cancelRequested, state, slot } = run
  const notes = [
    isBackfill ? 'backfill' : kind === 'slot' ? null : kind,
    actor === null ? null : `by ${actor}`,
    recovered ? 'recovered' : null,
    slots > 1 ? `for ${slots} slots` : null,
    rescues > 0 ? `rescued ${rescues}×` : null,
    cancelRequested && state === 'running' ? 'asked to stop' : null,
  ].filter((note) => note !== null)
  return (
    <span class="what">
      {notes.length > 0 && (
        <span class="quiet" dir="auto">
          {notes.join(', ')}
        </span>
      )}
      {slot !== null && (
        <span class="quiet">
          asked for at <At at={run.createdAt} />
        </span>
      )}
      {run.resolvedBy !== null && (
        <Link to="/run" query={{ run: run.resolvedBy }}>
          resolved by a later run
        </Link>
      )}
      {isSkippedRequest(run) && <span class="error-line">The request did not run.</span>}
      {error !== null && (
        <span class="error-line" dir="auto">
          <b>{error.task}</b>: {error.message ?? `${error.name}, hidden`}
        </span>
      )}
    </span>
  )
}

/** Returns whether the run belongs to a trigger or replay that was skipped, for example because of the overlap policy. */
export function isSkippedRequest({ kind, state }: RunLine): boolean {
  return kind !== 'slot' && state === 'skipped'
}

function shortReason(reason: string | null): string | null {
  return reason === null ? null : reason.replaceAll('_', ' ')
}
