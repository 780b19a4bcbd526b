import { useEffect, useState } from 'preact/hooks'
import type { BackfillView } from '../../wire.ts'
import { after } from '../browser-clock.ts'
import { act, newKey } from '../request.ts'
import { priority, usePastDay } from './actions.tsx'
import { BackfillProgress } from './backfills.tsx'
import { Dialog } from './dialog.tsx'
import { ActionForm, type Values } from './form.tsx'
import { notify } from './notices.tsx'
import { At } from './time.tsx'

const lookMs = 2000

/**
 * A button that opens the backfill dialog. The dialog shows the slots of a past span, starts the backfill, and shows
 * its progress.
 */
export function BackfillButton({ job, reload }: { readonly job: string; readonly reload: () => void }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(true)}>
        Backfill
      </button>
      {isOpen && (
        <BackfillDialog
          job={job}
          onClose={() => {
            setOpen(false)
            reload()
          }}
        />
      )}
    </>
  )
}

interface Begun {
  readonly asked: Values
  readonly plan: BackfillView
  readonly isRunning: boolean
}

function BackfillDialog({ job, onClose }: { readonly job: string; readonly onClose: () => void }) {
  const [from, to] = usePastDay()
  const [begun, setBegun] = useState<Begun | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const ask = (asked: Values, isDry: boolean) =>
    act<BackfillView>('/api/backfill', { job, ...asked, ...(isDry && { dryRun: true }) })
  useEffect(() => {
    if (begun === null || !begun.isRunning || begun.plan.live + begun.plan.open === 0) return
    // Read the progress by a dry run of the backfill. A dry run changes nothing, and returns the plan with the present
    // progress.
    return after(lookMs, () => {
      ask(begun.asked, true).then(
        (plan) => setBegun({ ...begun, plan }),
        (error) => setProblem(String(error.message)),
      )
    })
  }, [begun])
  const start = async (): Promise<void> => {
    if (begun === null) return
    setProblem(null)
    try {
      setBegun({ ...begun, plan: await ask(begun.asked, false), isRunning: true })
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    }
  }
  const stop = async (): Promise<void> => {
    setProblem(null)
    try {
      const stopped = await act<{ canceled: number; running: number }>('/api/stop-backfill', {
        job,
        key: begun?.asked.key,
      })
      notify(`The backfill is stopped: ${stopped.canceled} canceled, ${stopped.running} may end.`)
      onClose()
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <Dialog title={`Backfill ${job}`} onClose={onClose}>
      {problem !== null && (
        <p class="form-error" role="alert">
          {problem}
        </p>
      )}
      {begun === null ? (
        <ActionForm
          fields={[
            { name: 'from', label: 'From', kind: 'instant', value: from, required: true },
            { name: 'to', label: 'To', kind: 'instant', value: to, required: true },
            {
              name: 'which',
              label: 'Which slots',
              kind: 'choice',
              choices: [
                ['missed', 'What never ran'],
                ['failed', 'What has failed'],
                ['missed_and_failed', 'Both'],
                ['all', 'All, whatever became of them'],
              ],
            },
            {
              name: 'order',
              label: 'Order',
              kind: 'choice',
              choices: [
                ['oldest_first', 'Oldest first'],
                ['newest_first', 'Newest first'],
              ],
            },
            priority,
            { name: 'reason', label: 'Reason', kind: 'text' },
          ]}
          submit="Show what would run"
          onCancel={onClose}
          onSubmit={async (values) => {
            const asked = { key: newKey(), ...values }
            setBegun({ asked, plan: await ask(asked, true), isRunning: false })
          }}
        />
      ) : (
        <div class="form">
          {begun.isRunning ? <Progress plan={begun.plan} /> : <Plan plan={begun.plan} />}
          <div class="form-foot">
            {!begun.isRunning && (
              <button type="button" class="button" onClick={() => setBegun(null)}>
                Back
              </button>
            )}
            {!begun.isRunning && begun.plan.open > 0 && (
              <button type="button" class="button primary" onClick={start}>
                Run {begun.plan.open.toLocaleString('en')} slots
              </button>
            )}
            {begun.isRunning && begun.plan.live + begun.plan.open > 0 && (
              <button type="button" class="button danger" onClick={stop}>
                Stop it
              </button>
            )}
            {begun.isRunning && (
              <button type="button" class="button primary" onClick={onClose}>
                Close
              </button>
            )}
          </div>
        </div>
      )}
    </Dialog>
  )
}

function Plan({ plan: { slots, passed, open, next, last } }: { readonly plan: BackfillView }) {
  const named = 5
  return (
    <>
      <p class="dialog-text" role="status">
        <strong>{open.toLocaleString('en')}</strong> of {slots.toLocaleString('en')} slots would run, {passed} are
        passed over. Nothing was done yet.
      </p>
      <ul class="names">
        {next.slice(0, named).map((at) => (
          <li key={at}>
            <At at={at} />
          </li>
        ))}
        {open > named && (
          <li class="quiet">
            and {open - named} more, up to <At at={last} />
          </li>
        )}
      </ul>
    </>
  )
}

function Progress({ plan }: { readonly plan: BackfillView }) {
  return (
    <>
      <BackfillProgress of={plan} label="Progress of the backfill" />
      <p class="quiet">The nodes run the backfill. It continues after you close this dialog.</p>
    </>
  )
}
