import { useState } from 'preact/hooks'
import type { BackfillLine, BackfillsView, BackfillView } from '../../wire.ts'
import { act, pathOf } from '../request.ts'
import { useResource } from '../resource.ts'
import { DialogButton, reason } from './actions.tsx'
import { Empty, Loaded } from './loaded.tsx'
import { notify } from './notices.tsx'
import { JobLink } from './runs.tsx'
import { StateBadge } from './state.tsx'
import { Ago, At } from './time.tsx'

const whiches: Readonly<Record<BackfillLine['which'], string>> = {
  missed: 'what never ran',
  failed: 'what has failed',
  missed_and_failed: 'what never ran or has failed',
  all: 'all slots',
}

/**
 * Lists backfills. With the job `of`, lists the running, stopped and ended backfills of that job. Without `of`, lists the
 * running backfills of all jobs.
 */
export function Backfills({ of }: { readonly of?: string }) {
  const [stopped, setStopped] = useState<readonly BackfillLine[]>([])
  const found = useResource<BackfillsView>(pathOf('/api/backfills', { of }), { on: ['runs'], everyMs: 5000 })
  return (
    <Loaded of={found}>
      {({ items, isPart, readRuns }) => {
        // Without `of`, the server leaves out stopped backfills. So add the backfills that the user has stopped on this page.
        const others = stopped.filter((one) => !items.some(({ job, key }) => job === one.job && key === one.key))
        const all = [...items, ...others]
        return (
          <div class="card">
            {all.length === 0 ? (
              <Empty>{of === undefined ? 'No backfill runs.' : 'No backfill of this job is known.'}</Empty>
            ) : (
              <ul class="lines">
                {all.map((one) => (
                  <Backfill
                    key={`${one.job} ${one.key}`}
                    of={one}
                    hasJob={of === undefined}
                    stopped={() => {
                      setStopped([...stopped, { ...one, state: 'stopped' }])
                      found.reload()
                    }}
                    goesOn={() => {
                      setStopped(stopped.filter(({ key }) => key !== one.key))
                      found.reload()
                    }}
                  />
                ))}
              </ul>
            )}
            {isPart && <p class="quiet note">There are more, which are not shown.</p>}
            {readRuns !== null && (
              <p class="quiet note" dir="auto">
                Backfills whose runs are older than the latest {readRuns.toLocaleString('en')} ended runs of the job are
                not shown. <code>jobistemer backfills</code> with the name of the job lists them, too.
              </p>
            )}
          </div>
        )
      }}
    </Loaded>
  )
}

interface BackfillProps {
  readonly of: BackfillLine
  readonly hasJob: boolean
  readonly stopped: () => void
  readonly goesOn: () => void
}

function Backfill({ of: backfill, hasJob, stopped, goesOn }: BackfillProps) {
  const { job, key, state, endedAt, from, to, which, order, actor, reason: why, run, progress, mayAct } = backfill
  return (
    <li class="backfill">
      <StateBadge state={state} />
      <div class="line-main">
        {hasJob && <JobLink job={job} />}
        <span>
          <At at={from} /> to <At at={to} />
        </span>
        <span class="quiet">
          {whiches[which]}, {order === 'newest_first' ? 'newest first' : 'oldest first'}
          {endedAt !== null && (
            <>
              , last run ended <Ago at={endedAt} />
            </>
          )}
        </span>
        {(actor !== null || why !== null) && (
          <span class="quiet" dir="auto">
            {[actor === null ? 'asked for' : `by ${actor}`, why].filter(Boolean).join(': ')}
          </span>
        )}
        {progress !== null && <BackfillProgress of={progress} label={`Progress of the backfill of ${job}`} />}
      </div>
      {mayAct && state === 'running' && (
        <DialogButton
          label="Stop"
          title={`Stop a backfill of ${job}`}
          submit="Stop it"
          isDangerous
          text="Waiting runs of the backfill are canceled. Running runs may end. You can continue the backfill later."
          fields={[reason]}
          onSubmit={async (values) => {
            const { canceled, running } = await act<{ canceled: number; running: number }>('/api/stop-backfill', {
              job,
              key,
              ...values,
            })
            notify(`The backfill is stopped: ${canceled} canceled, ${running} may end.`)
            stopped()
          }}
        />
      )}
      {mayAct && state === 'stopped' && (
        <DialogButton
          label="Go on"
          title={`Go on with a backfill of ${job}`}
          submit="Go on"
          isPrimary
          text={`${(progress?.open ?? 0).toLocaleString('en')} of its slots are still to be run.`}
          fields={[reason]}
          onSubmit={async (values) => {
            await act('/api/go-on-with-backfill', { run, ...values })
            notify('The backfill goes on.')
            goesOn()
          }}
        />
      )}
    </li>
  )
}

export function BackfillProgress({ of, label }: { readonly of: BackfillView; readonly label: string }) {
  const { live, open, completed, failed, canceled } = of
  const over = completed + failed + canceled
  return (
    <>
      <progress aria-label={label} max={Math.max(1, over + live + open)} value={over} />
      <p role="status" class="backfill-counts">
        {completed} completed, {failed} failed, {canceled} canceled, {live} under way, {open} to come.
      </p>
    </>
  )
}
