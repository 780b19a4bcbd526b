import type { JSX } from 'preact'
import { session } from '../session.ts'
import { useStore } from '../store.ts'

type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'wait' | 'idle'

interface Look {
  readonly tone: Tone
  readonly text: string
  readonly icon: keyof typeof icons
}

const icons = {
  check: <path d="M3 8.5 6.5 12 13 4.5" />,
  cross: <path d="m4 4 8 8m0-8-8 8" />,
  bang: <path d="M8 3v6m0 3.5v.5" />,
  play: <path d="M5 3.5v9l7-4.5z" fill="currentColor" />,
  clock: <path d="M8 4v4.5l3 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0" />,
  stop: <path d="M4.5 4.5h7v7h-7z" />,
  skip: <path d="M3 4v8l5-4zm6 0v8l4-4z" />,
  gap: <path d="M3 8h2m2 0h2m2 0h2" />,
  pause: <path d="M5.5 3.5v9m5-9v9" />,
  again: <path d="M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3" />,
} as const satisfies Record<string, JSX.Element>

const looks: Readonly<Record<string, Look>> = {
  completed: { tone: 'good', text: 'completed', icon: 'check' },
  succeeded: { tone: 'good', text: 'succeeded', icon: 'check' },
  completed_with_errors: { tone: 'warn', text: 'with errors', icon: 'bang' },
  failed: { tone: 'bad', text: 'failed', icon: 'cross' },
  failed_stale: { tone: 'bad', text: 'failed, stale', icon: 'cross' },
  timed_out: { tone: 'bad', text: 'timed out', icon: 'cross' },
  lost: { tone: 'bad', text: 'lost', icon: 'cross' },
  dead: { tone: 'bad', text: 'dead', icon: 'cross' },
  aborted: { tone: 'warn', text: 'aborted', icon: 'stop' },
  running: { tone: 'busy', text: 'running', icon: 'play' },
  retrying: { tone: 'warn', text: 'retrying', icon: 'again' },
  pending: { tone: 'wait', text: 'pending', icon: 'clock' },
  queued: { tone: 'wait', text: 'queued', icon: 'clock' },
  waiting: { tone: 'wait', text: 'waiting', icon: 'clock' },
  canceled: { tone: 'idle', text: 'canceled', icon: 'stop' },
  skipped: { tone: 'idle', text: 'skipped', icon: 'skip' },
  missed: { tone: 'warn', text: 'missed', icon: 'gap' },
  stopped: { tone: 'warn', text: 'stopped', icon: 'stop' },
  paused: { tone: 'warn', text: 'paused', icon: 'pause' },
  late: { tone: 'bad', text: 'late', icon: 'clock' },
  no_code: { tone: 'bad', text: 'no code', icon: 'bang' },
  silent: { tone: 'bad', text: 'silent', icon: 'bang' },
  working: { tone: 'good', text: 'working', icon: 'check' },
  leaving: { tone: 'warn', text: 'leaving', icon: 'stop' },
  ended: { tone: 'idle', text: 'ended', icon: 'stop' },
}

const unknown: Look = { tone: 'idle', text: '', icon: 'gap' }

export function lookOf(state: string): Look {
  return looks[state] ?? { ...unknown, text: state }
}

function StateIcon({ state }: { readonly state: string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      {icons[lookOf(state).icon]}
    </svg>
  )
}

/**
 * Tooltip texts for states of attempts, tasks, jobs, nodes and backfills. The server sends the texts for states of
 * runs.
 */
const meanings: Readonly<Record<string, string>> = {
  succeeded: 'The attempt ended without an error.',
  timed_out: 'The attempt took longer than its taskTimeout.',
  dead: 'The node stopped without a farewell. Other nodes take over its runs.',
  no_code: 'No living node has the code of the job, so its runs wait.',
  lost: 'The node of the attempt went away. Whether the handler ended is unknown.',
  aborted: 'The node aborted the attempt.',
  retrying: 'The task waits for its next attempt.',
  waiting: 'The task or attempt has not started yet.',
  stopped: 'A person stopped the backfill. Some of its slots are still to be run.',
  paused: 'A person paused the job: nothing of it starts, and its slots are skipped.',
  late: 'No node has decided about the next slot within 30 seconds.',
  silent: 'No run of the job was completed within its alertAfter.',
  working: 'The node runs jobs.',
  leaving: 'The node shuts down.',
  ended: 'Nothing more follows.',
}

/** Shows a state with a word, a shape and a color. The tooltip explains the state. */
export function StateBadge({ state, detail }: { readonly state: string; readonly detail?: string | null | undefined }) {
  const { tone, text } = lookOf(state)
  const { states } = useStore(session)
  return (
    <span class={`badge tone-${tone}`} title={states[state] ?? meanings[state]}>
      <StateIcon state={state} />
      {text}
      {detail != null && detail !== '' && <span class="badge-detail">{detail}</span>}
    </span>
  )
}

/** Explains all states of a run. */
export function StateLegend() {
  const { states } = useStore(session)
  return (
    <details class="legend">
      <summary>What the states mean</summary>
      <dl>
        {Object.entries(states).map(([state, meaning]) => (
          <div key={state}>
            <dt>
              <StateBadge state={state} />
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}
