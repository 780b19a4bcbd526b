import type { RunView, TaskLine } from '../../wire.ts'
import { Link } from '../location.tsx'
import { duration } from '../times.ts'
import { lookOf, StateBadge } from './state.tsx'
import { useNow } from './time.tsx'

interface TimelineProps {
  readonly run: RunView
  readonly selected: string | undefined
}

/** Shows the tasks of a run from top to bottom, and their attempts from left to right on a time axis. */
export function Timeline({ run, selected }: TimelineProps) {
  const present = useNow()
  const starts = run.tasks.flatMap(({ attempts }) => attempts.map(({ startedAt }) => Date.parse(startedAt)))
  const ends = run.tasks.flatMap(({ attempts }) =>
    attempts.map(({ endedAt, startedAt }) =>
      endedAt === null ? Math.max(present, Date.parse(startedAt)) : Date.parse(endedAt),
    ),
  )
  const begin = starts.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY)
  const end = Math.max(
    begin + 1,
    ends.reduce((most, one) => Math.max(most, one), begin),
  )
  const left = (at: number): number => ((at - begin) / (end - begin)) * 100
  return (
    <div class="timeline-box">
      <ol class="timeline">
        {run.tasks.map((task) => (
          <li key={task.name}>
            <Link
              to="/run"
              query={{ run: run.id, task: task.name }}
              class="timeline-row"
              aria-current={task.name === selected ? 'true' : undefined}
            >
              <span class="timeline-name">
                <bdi>{task.name}</bdi>
              </span>
              <StateBadge state={task.state} detail={task.attemptCount > 1 ? `${task.attemptCount}×` : null} />
              <span class="timeline-took number">{task.durationMs === null ? '' : duration(task.durationMs)}</span>
              <Attempts task={task} left={left} present={present} />
            </Link>
            {task.progress !== null && (task.state === 'running' || task.state === 'retrying') && (
              <p class="timeline-progress">
                <progress aria-label={`Progress of ${task.name}`} max={1} value={task.progress.fraction} />
                <span class="number">{Math.round(task.progress.fraction * 100)} %</span>{' '}
                <span dir="auto">{task.progress.message}</span>
              </p>
            )}
          </li>
        ))}
      </ol>
      <p class="timeline-axis quiet number" aria-hidden="true">
        <span>0</span>
        <span>{duration(end - begin)}</span>
      </p>
    </div>
  )
}

interface AttemptsProps {
  readonly task: TaskLine
  readonly left: (at: number) => number
  readonly present: number
}

function Attempts({ task, left, present }: AttemptsProps) {
  return (
    <svg class="timeline-bars" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      {task.attempts.map(({ number, state, startedAt, endedAt }) => {
        const from = left(Date.parse(startedAt))
        const to = left(endedAt === null ? Math.max(present, Date.parse(startedAt)) : Date.parse(endedAt))
        return (
          <rect
            key={number}
            class={`fill-${lookOf(state).tone}`}
            x={Math.min(from, 99.4)}
            y="0"
            width={Math.max(0.6, to - from)}
            height="10"
          />
        )
      })}
    </svg>
  )
}
