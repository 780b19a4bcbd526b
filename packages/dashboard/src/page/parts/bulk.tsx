import { useEffect, useRef, useState } from 'preact/hooks'
import type { BulkAnswer, BulkItem, BulkPlan } from '../../wire.ts'
import { act, mayHaveActed, newKey, type Query, RequestError } from '../request.ts'
import { Dialog } from './dialog.tsx'
import { Ago, At } from './time.tsx'

/** Maximum number of refused items that the dialog names. */
const mostRefused = 20

interface BulkAction {
  readonly action: string
  readonly label: string
  readonly title: string
  readonly submit: string
  /** The text of the button that closes the dialog. Default: `Cancel`. */
  readonly cancel?: string
  readonly isDangerous?: boolean
  /** Set if the action needs a filter. While no filter is set, the dialog shows this text in place of the items. */
  readonly needsFilter?: string
}

interface BulkProps {
  readonly path: string
  readonly filter: Query
  readonly unit: string
  readonly actions: readonly BulkAction[]
  readonly reload: () => void
}

/** Shows buttons for actions on all items that match a filter. A dialog lists the items before the action. */
export function Bulk({ path, filter, unit, actions, reload }: BulkProps) {
  const [open, setOpen] = useState<BulkAction | null>(null)
  // If an answer is lost, the key stays after the dialog closes, so that the next dialog starts no second runs.
  const [requestKey] = useState(() => ({ current: newKey() }))
  return (
    <div class="buttons">
      {actions.map((action) => (
        <button key={action.action} type="button" class="button" onClick={() => setOpen(action)}>
          {action.label}
        </button>
      ))}
      {open !== null && (
        <BulkDialog
          path={path}
          filter={filter}
          unit={unit}
          action={open}
          requestKey={requestKey}
          onClose={() => {
            setOpen(null)
            reload()
          }}
        />
      )}
    </div>
  )
}

interface BulkDialogProps {
  readonly path: string
  readonly filter: Query
  readonly unit: string
  readonly action: BulkAction
  readonly requestKey: { current: string }
  readonly onClose: () => void
}

interface Progress {
  readonly done: number
  readonly failed: BulkAnswer['failed']
  /** `true` if an answer is lost, so that more items may be done. */
  readonly isLeast: boolean
  readonly state: 'working' | 'stopped' | 'finished'
}

function BulkDialog({ path, filter, unit, action, requestKey, onClose }: BulkDialogProps) {
  const [plan, setPlan] = useState<BulkPlan | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [progress, setProgress] = useState<Progress | null>(null)
  const isStopped = useRef(false)
  /** The next request: its cursor, the items of this part that are done or refused, and the reason that the user gave. */
  const next = useRef<{ readonly cursor: string | null; readonly handled: readonly string[]; readonly reason: string }>(
    {
      cursor: null,
      handled: [],
      reason: '',
    },
  )
  const [except, setExcept] = useState<ReadonlySet<string>>(new Set())
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined && value !== ''))
  const isRefused = action.needsFilter !== undefined && Object.keys(given).length === 0
  useEffect(() => {
    if (isRefused) return
    act<BulkPlan>(path, { action: action.action, filter: given, dryRun: true }).then(setPlan, (error) =>
      setProblem(messageOf(error)),
    )
    return () => {
      isStopped.current = true
    }
  }, [])
  const work = async (): Promise<void> => {
    let { done, failed, isLeast } = progress ?? { done: 0, failed: [], isLeast: false }
    const count = (part: Pick<BulkAnswer, 'done' | 'failed'>): void => {
      done += part.done
      failed = [...failed, ...part.failed]
    }
    const show = (state: Progress['state']): void => setProgress({ done, failed, isLeast, state })
    isStopped.current = false
    setProblem(null)
    show('working')
    try {
      do {
        const { cursor, handled, reason } = next.current
        const leftOut = [...except, ...handled]
        const body = {
          action: action.action,
          filter: given,
          key: requestKey.current,
          cursor: cursor ?? undefined,
          ...(leftOut.length > 0 && { except: leftOut }),
          ...(reason !== '' && { reason }),
        }
        const answer: BulkAnswer = await act(path, body)
        count(answer)
        next.current = { cursor: answer.cursor, handled: [], reason }
        show(answer.cursor === null ? 'finished' : 'working')
      } while (next.current.cursor !== null && !isStopped.current)
      if (next.current.cursor !== null) show('stopped')
      requestKey.current = newKey()
    } catch (error) {
      const part = error instanceof RequestError ? error.part : undefined
      if (part !== undefined) {
        count(part)
        next.current = { ...next.current, handled: [...next.current.handled, ...part.handled] }
      } else if (mayHaveActed(error)) isLeast = true
      setProblem(messageOf(error))
      show('stopped')
    }
  }
  const start = (event: SubmitEvent): void => {
    event.preventDefault()
    const reason = new FormData(event.currentTarget as HTMLFormElement).get('reason')
    next.current = { ...next.current, reason: String(reason) }
    void work()
  }
  const total = (plan?.count ?? 0) - except.size
  return (
    <Dialog title={action.title} onClose={onClose}>
      {problem !== null && (
        <p class="form-error" role="alert">
          {problem}
        </p>
      )}
      {isRefused && (
        <div class="form">
          <p class="dialog-text">{action.needsFilter}</p>
          <div class="form-foot">
            <button type="button" class="button primary" onClick={onClose}>
              Close
            </button>
          </div>
        </div>
      )}
      {!isRefused && plan === null && problem === null && <p role="status">Counting…</p>}
      {plan !== null && progress === null && (
        <form class="form" onSubmit={start}>
          <p class="dialog-text" role="status">
            <strong>
              {plan.count.toLocaleString('en')}
              {plan.isPart ? ' or more' : ''} {plan.count === 1 ? unit : `${unit}s`}
            </strong>{' '}
            {plan.count === 1 && !plan.isPart ? 'matches.' : 'match.'} Nothing was done yet.
          </p>
          {plan.first.length > 0 && (
            <ul class="names">
              {plan.first.map((item) => (
                <li key={`${item.run} ${item.what}`} dir="auto">
                  {item.run === null ? (
                    item.what
                  ) : (
                    <BulkRun
                      item={item}
                      isChosen={!except.has(item.run)}
                      choose={(run, isChosen) => setExcept(changed(except, run, isChosen))}
                    />
                  )}
                </li>
              ))}
              {plan.count > plan.first.length && <li class="quiet">and {plan.count - plan.first.length} more</li>}
            </ul>
          )}
          <div class="field">
            <label for="bulk-reason">Reason</label>
            <input id="bulk-reason" name="reason" type="text" maxLength={255} />
          </div>
          <div class="form-foot">
            <button type="button" class="button" onClick={onClose}>
              {action.cancel ?? 'Cancel'}
            </button>
            {plan.count > except.size && (
              <button type="submit" class={action.isDangerous === true ? 'button danger' : 'button primary'}>
                {action.submit}
              </button>
            )}
          </div>
        </form>
      )}
      {plan !== null && progress !== null && (
        <div class="form">
          <progress aria-label="Progress" max={Math.max(total, progress.done)} value={progress.done} />
          <p role="status">
            {progress.isLeast && progress.done + progress.failed.length < total && 'At least '}
            {progress.done.toLocaleString('en')} of {total.toLocaleString('en')} done
            {progress.failed.length > 0 && `, ${progress.failed.length.toLocaleString('en')} refused`}
            {progress.state === 'stopped' && ', stopped'}
            {progress.state === 'finished' && '.'}
          </p>
          {progress.failed.length > 0 && (
            <div class="form-error" role="alert">
              <strong>Nothing was done for:</strong>
              <ul class="names">
                {progress.failed.slice(0, mostRefused).map(({ what, message }, index) => (
                  <li key={index} dir="auto">
                    <bdi>{what}</bdi>: {message}
                  </li>
                ))}
                {progress.failed.length > mostRefused && <li>and {progress.failed.length - mostRefused} more</li>}
              </ul>
            </div>
          )}
          <div class="form-foot">
            {progress.state === 'working' ? (
              <button
                type="button"
                class="button danger"
                onClick={() => {
                  isStopped.current = true
                }}
              >
                Stop
              </button>
            ) : (
              <button
                type="button"
                class={progress.state === 'stopped' ? 'button' : 'button primary'}
                onClick={onClose}
              >
                Done
              </button>
            )}
            {progress.state === 'stopped' && (
              <button type="button" class="button primary" onClick={work}>
                {problem === null ? 'Continue' : 'Try again'}
              </button>
            )}
          </div>
        </div>
      )}
    </Dialog>
  )
}

interface BulkRunProps {
  readonly item: BulkItem
  readonly isChosen: boolean
  readonly choose: (run: string, isChosen: boolean) => void
}

/** A run in the dialog, with a checkbox that excludes it from the action. */
function BulkRun({ item: { what, run, at, endedAt }, isChosen, choose }: BulkRunProps) {
  return (
    <label>
      <input type="checkbox" checked={isChosen} onChange={(event) => choose(run ?? '', event.currentTarget.checked)} />
      <span>
        <bdi>{what}</bdi> <At at={at} />
        {endedAt !== null && (
          <span class="quiet">
            , ended <Ago at={endedAt} />
          </span>
        )}
      </span>
    </label>
  )
}

/** Returns the excluded runs after the user has checked or unchecked a run. */
function changed(except: ReadonlySet<string>, run: string, isChosen: boolean): ReadonlySet<string> {
  const next = new Set(except)
  if (isChosen) next.delete(run)
  else next.add(run)
  return next
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
