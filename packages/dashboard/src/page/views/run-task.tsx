import type { ErrorRecord } from '@jobistemer/core/storage'
import type { LogEntry, TaskView } from '../../wire.ts'
import { Loaded } from '../parts/loaded.tsx'
import { Section } from '../parts/section.tsx'
import { ShownValue } from '../parts/shown-value.tsx'
import { StateBadge } from '../parts/state.tsx'
import { At, useZone } from '../parts/time.tsx'
import { pathOf } from '../request.ts'
import { useResource } from '../resource.ts'
import { duration, localTime } from '../times.ts'

interface RunTaskProps {
  readonly run: string
  readonly task: string
  readonly isLive: boolean
}

/** Shows one task of a run: attempts, errors, logs and result. */
export function RunTask({ run, task, isLive }: RunTaskProps) {
  const found = useResource<TaskView>(pathOf('/api/task', { run, task }), {
    on: ['runs', 'failures'],
    everyMs: isLive ? 3000 : undefined,
  })
  return (
    <Section title={task}>
      <Loaded of={found}>
        {({ attempts, attemptCount, result }) => (
          <>
            {result !== null && (
              <div class="block">
                <h3>Result</h3>
                <ShownValue value={result} label={`Result of ${task}`} whole={{ run, task }} />
              </div>
            )}
            {attempts.length < attemptCount && (
              <p class="quiet block">
                {attemptCount} attempts, of which {attempts.length} are kept.
              </p>
            )}
            {attempts.toReversed().map((attempt) => (
              <Attempt key={attempt.number} of={attempt} />
            ))}
          </>
        )}
      </Loaded>
    </Section>
  )
}

function Attempt({ of: attempt }: { readonly of: TaskView['attempts'][number] }) {
  const { number, state, reason, startedAt, durationMs, error, logs, droppedLogs, progress } = attempt
  return (
    <div class="block attempt">
      <h3>
        Attempt {number} <StateBadge state={state} detail={reason?.replaceAll('_', ' ')} />
        <span class="quiet attempt-when">
          <At at={startedAt} /> {durationMs !== null && `for ${duration(durationMs)}`}
        </span>
      </h3>
      {progress !== null && (
        <p class="timeline-progress">
          <progress aria-label={`Progress of attempt ${number}`} max={1} value={progress.fraction} />
          <span class="number">{Math.round(progress.fraction * 100)} %</span> <span dir="auto">{progress.message}</span>
        </p>
      )}
      {error !== null && <ErrorView error={error} />}
      {(logs.length > 0 || droppedLogs > 0) && <Logs lines={logs} dropped={droppedLogs} attempt={number} />}
    </div>
  )
}

function ErrorView({ error }: { readonly error: ErrorRecord }) {
  const { name, message, code, cause, errors = [] } = error
  const frames = framesOf(error)
  return (
    <div class="error-view">
      <p class="error-head" dir="auto">
        <strong>{name}</strong>
        {code !== undefined && <code>{code}</code>} {message === '' ? <span class="quiet">(no message)</span> : message}
      </p>
      {frames !== '' && (
        <pre class="stack" tabIndex={0} role="group" aria-label="Stack" dir="ltr">
          {frames}
        </pre>
      )}
      {cause !== undefined && (
        <div class="error-cause">
          <p class="quiet">caused by</p>
          <ErrorView error={cause} />
        </div>
      )}
      {errors.map((one, index) => (
        <div key={index} class="error-cause">
          <p class="quiet">one of its errors</p>
          <ErrorView error={one} />
        </div>
      ))}
    </div>
  )
}

/**
 * Returns the stack of an error. Removes the lines above the first frame if they only repeat the error's name and message. For
 * this, the lines must contain the first line of the stored message. A `…` at its end is ignored, because it marks a shortened
 * message.
 */
function framesOf({ name, message, stack = '' }: ErrorRecord): string {
  const at = stack.search(/^\s+at /m)
  const head = (at === -1 ? stack : stack.slice(0, at)).trim()
  const said = message.split('\n', 1)[0]?.replace(/…$/, '') ?? ''
  const isRepeated = said === '' ? head === name || head === 'Error' : head.includes(said)
  if (!isRepeated) return stack
  return at === -1 ? '' : stack.slice(at).replace(/^\n/, '')
}

interface LogsProps {
  readonly lines: readonly LogEntry[]
  readonly dropped: number
  readonly attempt: number
}

function Logs({ lines, dropped, attempt }: LogsProps) {
  const zone = useZone()
  return (
    <div class="logs" role="group" aria-label={`Log of attempt ${attempt}`} tabIndex={0}>
      {dropped > 0 && <p class="quiet">{dropped.toLocaleString('en')} earlier lines are not kept.</p>}
      <ol>
        {lines.map(({ at, level, message, fields, isCut }, index) => (
          <li key={index} class={`log-${level}`}>
            <time dateTime={at}>{localTime(Date.parse(at), zone).time}</time>
            <span class="log-level">{level}</span>
            <span class="log-message" dir="auto">
              {message}
              {isCut && '…'}
              {fields !== null && <span class="log-fields">{JSON.stringify(fields)}</span>}
            </span>
          </li>
        ))}
      </ol>
    </div>
  )
}
