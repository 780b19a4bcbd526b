import type { JobView, RunView } from '../../wire.ts'
import { Link, usePlace } from '../location.tsx'
import { Cancel, Replay } from '../parts/actions.tsx'
import { Empty, Loaded, NotNamed } from '../parts/loaded.tsx'
import { isSkippedRequest, JobLink } from '../parts/runs.tsx'
import { Facts, Heading, Section } from '../parts/section.tsx'
import { ShownValue } from '../parts/shown-value.tsx'
import { StateBadge } from '../parts/state.tsx'
import { AtAndAgo, JobZone, Took } from '../parts/time.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { zonePreference } from '../preferences.ts'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'
import { useStore } from '../store.ts'
import { RunTask } from './run-task.tsx'

const liveStates = ['pending', 'queued', 'running']

/**
 * Returns the interval in ms at which the page reads a live run again. The page needs this interval, because the change
 * stream does not report progress. Returns `undefined` for an ended run.
 */
function everyWhileLive({ state }: RunView): number | undefined {
  return liveStates.includes(state) ? 3000 : undefined
}

/** The page of one run: the reason for its state, its tasks and their attempts. */
export function Run() {
  const { query } = usePlace()
  const { run: id = '', task } = query
  const run = useResource<RunView>(id === '' ? null : pathOf('/api/run', { run: id }), {
    on: ['runs', 'failures'],
    everyMs: everyWhileLive,
  })
  const zone = useStore(zonePreference)
  const name = run.data?.job ?? null
  const job = useResource<JobView>(zone === 'job' && name !== null ? pathOf('/api/job', { job: name }) : null)
  if (id === '') return <NotNamed what="run" />
  return (
    <JobZone.Provider value={job.data?.timezone ?? null}>
      {run.data === null && <Heading title="Run" />}
      <Loaded of={run}>
        {(found) => {
          const isLive = liveStates.includes(found.state)
          const selected = task ?? defaultTask(found)
          return (
            <>
              <RunHead run={found} isLive={isLive} reload={run.reload} />
              <Section title="Tasks">
                {found.tasks.length === 0 ? (
                  <Empty>{isLive ? 'No task has started yet.' : 'No task was started.'}</Empty>
                ) : (
                  <Timeline run={found} selected={selected} />
                )}
              </Section>
              {selected !== undefined && <RunTask run={found.id} task={selected} isLive={isLive} />}
              {found.input !== null && (
                <Section title="Data">
                  <ShownValue value={found.input} label="Data of the run" whole={{ run: found.id }} />
                </Section>
              )}
            </>
          )
        }}
      </Loaded>
    </JobZone.Provider>
  )
}

/** Returns the name of the task to show first: a failed task, else a running task, else the first task. */
function defaultTask({ tasks }: RunView): string | undefined {
  const found =
    tasks.find(({ state }) => state === 'failed') ??
    tasks.find(({ state }) => state === 'running' || state === 'retrying') ??
    tasks[0]
  return found?.name
}

interface HeadProps {
  readonly run: RunView
  readonly isLive: boolean
  readonly reload: () => void
}

function RunHead({ run, isLive, reload }: HeadProps) {
  const { rights, cancelRequest, span } = run
  const how = [
    run.backfill !== null ? 'a run of a backfill' : run.kind === 'slot' ? 'a slot of the schedule' : `a ${run.kind}`,
    run.recovered ? 'created by recovery' : null,
  ]
  return (
    <div class="page-head">
      <div class="page-title">
        <p class="crumb">
          <JobLink job={run.job} />
        </p>
        <Heading title={`Run of ${run.job ?? 'a deleted job'}`}>
          Run of <bdi>{run.job ?? 'a deleted job'}</bdi>
        </Heading>
        <div class="badges">
          <StateBadge state={run.state} detail={run.reason?.replaceAll('_', ' ')} />
        </div>
        {isSkippedRequest(run) ? (
          <p class="callout">The request did not run. {run.why}</p>
        ) : (
          <p class="description">{run.why}</p>
        )}
        {cancelRequest !== null && (
          <p class="callout" dir="auto">
            Cancellation requested <AtAndAgo at={cancelRequest.at} />
            {cancelRequest.actor !== null && `, ${cancelRequest.actor}`}: {cancelRequest.reason}
          </p>
        )}
      </div>
      <div class="buttons">
        {!isLive && rights.replay && run.job !== null && (
          <Replay run={run.id} tasks={run.tasks.map(({ name }) => name)} input={run.input} reload={reload} />
        )}
        {isLive && rights.cancel && <Cancel run={run.id} isRunning={run.state === 'running'} reload={reload} />}
      </div>
      <Facts
        of={{
          'Works for': run.slot === null ? null : <AtAndAgo at={run.slot} />,
          Scheduled: <AtAndAgo at={run.scheduledAt} />,
          Started: run.startedAt === null ? null : <AtAndAgo at={run.startedAt} />,
          Finished: run.finishedAt === null ? null : <AtAndAgo at={run.finishedAt} />,
          Took: run.startedAt === null ? null : <Took from={run.startedAt} to={run.finishedAt} />,
          Node: run.node,
          Kind: how.filter(Boolean).join(', '),
          'Stands for': span === null ? null : `${span.count} slots, ${span.from} to ${span.to}`,
          'Asked by': run.actor === null ? null : <bdi>{run.actor}</bdi>,
          'Asked because': run.requestReason === null ? null : <bdi>{run.requestReason}</bdi>,
          Backfill: run.backfill?.key,
          'Replay of':
            run.replayOf === null ? null : (
              <Link to="/run" query={{ run: run.replayOf }}>
                an earlier run
              </Link>
            ),
          Priority: run.priority === 0 ? null : String(run.priority),
          Rescues: run.rescues === 0 ? null : String(run.rescues),
          Owners: run.fencingToken > 1 ? String(run.fencingToken) : null,
          'Job version': String(run.jobVersion),
          Id: <code>{run.id}</code>,
        }}
      />
    </div>
  )
}
