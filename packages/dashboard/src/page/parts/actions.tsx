import type { TriggerResult } from '@jobistemer/core'
import { useRef, useState } from 'preact/hooks'
import { skippedText } from '../../skipped.ts'
import type { Shown } from '../../wire.ts'
import { now } from '../browser-clock.ts'
import { go } from '../location.tsx'
import { act, mayHaveActed, newKey, RequestError } from '../request.ts'
import { fieldTime } from '../times.ts'
import { Dialog } from './dialog.tsx'
import { ActionForm, type Field, type Values } from './form.tsx'
import { notify } from './notices.tsx'
import { useZone } from './time.tsx'

/**
 * Returns a function that sends a request for a run. Until a request succeeds, requests with the same body have the same key,
 * so that a repeated request does not start a second run. A request with another body has another key. If the function throws,
 * the dialog stays open and shows the error message.
 * @throws RequestError if the request fails, Error if the run is skipped
 */
function useRequest(): (path: string, body: object) => Promise<TriggerResult> {
  const keys = useRef(new Map<string, string>())
  return async (path, body) => {
    const asked = JSON.stringify(body)
    const key = keys.current.get(asked) ?? newKey()
    keys.current.set(asked, key)
    const answer = await act<TriggerResult>(path, { ...body, key }).catch((error: unknown): never => {
      if (!(error instanceof RequestError) || !mayHaveActed(error)) throw error
      const { status, code, message, field } = error
      throw new RequestError(status, { code, message: `${message} ${mayRunText}`, field })
    })
    if (answer.skipped !== null) throw new Error(`${skippedText} Repeat the request when the active run has ended.`)
    keys.current.clear()
    return answer
  }
}

const mayRunText =
  'The request may have started a run. If you send it again with the same values, it starts no second run. ' +
  'With other values, it starts another run.'

/** The form field for the reason of an action. */
export const reason: Field = {
  name: 'reason',
  label: 'Reason',
  kind: 'text',
  hint: 'Stored with the action. Other users can read it.',
}

/** The form field for the priority of a new run. */
export const priority: Field = {
  name: 'priority',
  label: 'Priority',
  kind: 'number',
  hint: '-10 to 10: a higher number runs earlier. Empty: the priority of the job.',
}

interface ButtonProps {
  readonly label: string
  readonly title: string
  readonly fields: readonly Field[]
  readonly submit: string
  readonly isDangerous?: boolean
  readonly isPrimary?: boolean
  /** The text of the button that closes the dialog. Default: `Cancel`. */
  readonly cancel?: string
  readonly text?: string
  readonly onSubmit: (values: Values) => Promise<void>
}

/** A button that opens the dialog of an action. */
export function DialogButton(props: ButtonProps) {
  const { label, title, fields, submit, cancel, isDangerous, isPrimary, text, onSubmit } = props
  const [isOpen, setOpen] = useState(false)
  const close = (): void => setOpen(false)
  return (
    <>
      <button type="button" class={isPrimary === true ? 'button primary' : 'button'} onClick={() => setOpen(true)}>
        {label}
      </button>
      {isOpen && (
        <Dialog title={title} onClose={close}>
          {text !== undefined && <p class="dialog-text">{text}</p>}
          <ActionForm
            fields={fields}
            submit={submit}
            isDangerous={isDangerous === true}
            {...(cancel !== undefined && { cancel })}
            onCancel={close}
            onSubmit={async (values) => {
              await onSubmit(values)
              close()
            }}
          />
        </Dialog>
      )}
    </>
  )
}

interface OfJob {
  readonly job: string
  readonly reload: () => void
}

export function RunNow({ job, tasks, reload }: OfJob & { readonly tasks: readonly string[] }) {
  const request = useRequest()
  const fields: readonly Field[] = [
    {
      name: 'data',
      label: 'Data',
      kind: 'json',
      hint: 'JSON, which tasks read as context.input. May be empty.',
    },
    ...(tasks.length > 1
      ? [
          {
            name: 'task',
            label: 'Tasks',
            kind: 'choice' as const,
            choices: [['', 'All'] as const, ...tasks.map((task) => [task, `Only ${task}`] as const)],
          },
        ]
      : []),
    { name: 'at', label: 'Not before', kind: 'instant', hint: 'Empty: now.' },
    priority,
    reason,
  ]
  return (
    <DialogButton
      label="Run now"
      title={`Run ${job}`}
      submit="Run"
      isPrimary
      text="A run outside the schedule, for the present time. To repeat a run, replay it. To run past slots, use Backfill."
      fields={fields}
      onSubmit={async ({ task, ...values }) => {
        const asked = { job, ...values, ...(task !== undefined && { tasks: [task] }) }
        const { id, state, reason: why } = await request('/api/trigger', asked).finally(reload)
        notify(`${job}: ${state}${why === null ? '' : `, ${why}`}`)
        go('/run', { run: id })
      }}
    />
  )
}

export function Pause({ job, reload }: OfJob) {
  const fields: readonly Field[] = [
    {
      name: 'until',
      label: 'Until',
      kind: 'instant',
      hint: 'Empty: until a user resumes the job. Slots during the pause are skipped.',
    },
    reason,
  ]
  return (
    <DialogButton
      label="Pause"
      title={`Pause ${job}`}
      submit="Pause"
      fields={fields}
      onSubmit={async (values) => {
        await act('/api/pause', { job, ...values })
        notify(`${job} is paused.`, { about: job })
        reload()
      }}
    />
  )
}

export function Resume({ job, reload }: OfJob) {
  return (
    <DialogButton
      label="Resume"
      title={`Resume ${job}`}
      submit="Resume"
      fields={[reason]}
      isPrimary
      text="The job runs again from its next slot on. Slots of the pause stay skipped. A backfill can run them."
      onSubmit={async (values) => {
        await act('/api/resume', { job, ...values })
        notify(`${job} is resumed.`, { about: job })
        reload()
      }}
    />
  )
}

export function Remove({ job, waiting }: Pick<OfJob, 'job'> & { readonly waiting: number }) {
  const runs = waiting === 1 ? 'waiting run is' : 'waiting runs are'
  const canceled = waiting === 0 ? 'No run of it waits.' : `${waiting.toLocaleString('en')} ${runs} canceled.`
  return (
    <DialogButton
      label="Remove"
      title={`Remove ${job}`}
      submit="Remove the job"
      cancel="Keep the job"
      isDangerous
      text={`Removal deletes the job on all nodes. ${canceled} Running runs may end, and the history stays until it is pruned. A node that has the code stores the job again when it starts.`}
      fields={[reason]}
      onSubmit={async (values) => {
        await act('/api/remove', { job, ...values })
        notify(`${job} is removed.`, { about: job })
        go('/jobs')
      }}
    />
  )
}

export function CancelSlot({ job, at, reload }: OfJob & { readonly at: string }) {
  return (
    <DialogButton
      label="Cancel slot"
      title={`Cancel a slot of ${job}`}
      submit="Cancel the slot"
      text={`No node will run the slot of ${at}, and it is no longer listed as next.`}
      fields={[reason]}
      onSubmit={async (values) => {
        const { outcome, state } = await act<{ outcome: string; state: string }>('/api/cancel-slot', {
          job,
          at,
          ...values,
        })
        notify(outcome === 'final' ? `It had ended before: ${state}.` : `The slot of ${at} is canceled.`)
        reload()
      }}
    />
  )
}

interface OfRun {
  readonly run: string
  readonly reload: () => void
}

export function Cancel({ run, isRunning, reload }: OfRun & { readonly isRunning: boolean }) {
  const fields: readonly Field[] = isRunning
    ? [
        reason,
        {
          name: 'force',
          label: 'Force',
          kind: 'flag',
          hint: 'Ends the run at once, without waiting for its node. For a node that does not react.',
        },
      ]
    : [reason]
  return (
    <DialogButton
      label="Cancel run"
      title="Cancel this run"
      submit="Cancel the run"
      cancel="Keep the run"
      isDangerous
      text={isRunning ? 'The node of the run stops it.' : 'The run waits. After this, no node starts it.'}
      fields={fields}
      onSubmit={async (values) => {
        const { outcome, state } = await act<{ outcome: string; state: string }>('/api/cancel', { run, ...values })
        const said: Readonly<Record<string, string>> = {
          canceled: 'The run is canceled.',
          requested: 'Its node was asked to stop it.',
          final: `Nothing was done: the run had already ended as ${state}.`,
        }
        notify(said[outcome] ?? outcome, { isBad: outcome === 'final' })
        reload()
      }}
    />
  )
}

interface ReplayProps extends OfRun {
  readonly tasks: readonly string[]
  /** The data of the run to replay; `null` if the run had no data. */
  readonly input: Shown | null
}

export function Replay({ run, tasks, input, reload }: ReplayProps) {
  const request = useRequest()
  const fields: readonly Field[] = [
    ...(tasks.length > 1
      ? [
          {
            name: 'from',
            label: 'From task',
            kind: 'choice' as const,
            hint: 'The replay takes the results of earlier tasks from this run.',
            choices: [
              ['', 'The first: the whole run'] as const,
              ...tasks.slice(1).map((task) => [task, task] as const),
            ],
          },
        ]
      : []),
    { name: 'data', label: 'Data', kind: 'json', ...dataOfRun(input) },
    priority,
    reason,
  ]
  return (
    <DialogButton
      label="Replay"
      title="Run it once more"
      submit="Replay"
      isPrimary
      text="A replay is a new run. Its handlers get the slot of this run as scheduledAt, not the present time."
      fields={fields}
      onSubmit={async ({ data, ...values }) => {
        const isChanged = data !== undefined && !isDataOf(input, data)
        const asked = { run, ...values, ...(isChanged && { data }) }
        const { id, state, reason: why } = await request('/api/replay', asked).finally(reload)
        notify(`The replay is ${state}${why === null ? '' : `, ${why}`}.`)
        go('/run', { run: id })
      }}
    />
  )
}

/**
 * Returns the initial value and the hint of the data field in the replay form. The initial value is the data of the run.
 * There is no initial value if the run had no data, or if the data are hidden or too long.
 */
function dataOfRun(input: Shown | null): Pick<Field, 'value' | 'hint'> {
  if (input === null) return { hint: 'JSON. The run had no data.' }
  if (input.kind === 'hidden') return { hint: 'JSON. Empty: the data of the run, which are hidden from you.' }
  if (input.kind === 'beginning')
    return { hint: 'JSON. Empty: the data of the run, which are too long for this field.' }
  return { value: JSON.stringify(input.value, null, 2), hint: 'JSON. The data of the run; empty means these, too.' }
}

function isDataOf(input: Shown | null, data: unknown): boolean {
  return input?.kind === 'whole' && JSON.stringify(input.value) === JSON.stringify(data)
}

/** Returns the past 24 hours as initial values for the two fields of a time span. */
export function usePastDay(): readonly [string, string] {
  const zone = useZone()
  const present = now()
  return [fieldTime(present - 86_400_000, zone), fieldTime(present, zone)]
}
