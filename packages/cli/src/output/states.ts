import type { Occurrence, TaskReport } from '@jobistemer/core'
import type { Styles, StyleName } from './styles.ts'
import type { Cell } from './table.ts'

type State = Occurrence['state'] | TaskReport['state'] | TaskReport['attempts'][number]['state']

const stylesOfStates: Readonly<Partial<Record<State, StyleName>>> = {
  completed: 'green',
  succeeded: 'green',
  completed_with_errors: 'yellow',
  failed: 'red',
  failed_stale: 'red',
  timed_out: 'red',
  lost: 'red',
  running: 'cyan',
  pending: 'yellow',
  queued: 'yellow',
  waiting: 'yellow',
  retrying: 'yellow',
}

/** Returns a table cell with the name of a state in the color of this state. */
export function stateCell(state: State, styles: Styles): Cell {
  const style = stylesOfStates[state]
  return { text: state, style: styles[style ?? 'dim'] }
}

/** All states of runs. The list is written out, because importing core's list would load core for every command. */
export const allStates: readonly Occurrence['state'][] = [
  'pending',
  'queued',
  'running',
  'completed',
  'completed_with_errors',
  'failed',
  'canceled',
  'failed_stale',
  'skipped',
  'missed',
]
