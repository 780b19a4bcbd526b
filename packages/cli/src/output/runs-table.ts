import type { Occurrence } from '@jobistemer/core'
import type { Context } from '../command.ts'
import type { Cell, Column } from './table.ts'
import { stateCell } from './states.ts'
import { duration } from './times.ts'

/** A run in a list. `job` is the name of the run's job, for lists with runs of several jobs. */
export interface ListedRun {
  readonly job?: string
  readonly occurrence: Occurrence
  /** A note about the run. In the column WHAT, the note precedes the description of the run. */
  readonly note?: string | null
}

/** Writes a table of runs, one per line. */
export async function printRuns({ out, times, now }: Context, runs: readonly ListedRun[]): Promise<void> {
  const hasJobs = runs.some(({ job }) => job !== undefined)
  // Shows the column SLOT if a run works for an instant other than its scheduled time, as replays and backfill runs do.
  const hasSlots = runs.some(({ occurrence }) => occurrence.slot !== null)
  const columns: Column[] = [
    { title: 'SCHEDULED' },
    ...(hasSlots ? [{ title: 'SLOT' }] : []),
    ...(hasJobs ? [{ title: 'JOB', shrinks: true }] : []),
    { title: 'STATE' },
    { title: 'TOOK', align: 'right' },
    { title: 'NODE', shrinks: true },
    { title: 'RUN' },
    { title: 'WHAT', shrinks: true },
  ]
  await out.table(
    columns,
    runs.map(({ job, occurrence, note = null }): readonly (string | Cell)[] => [
      times.at(occurrence.scheduledAt),
      ...(hasSlots ? [slotText(occurrence, times)] : []),
      ...(hasJobs ? [job ?? ''] : []),
      stateCell(occurrence.state, out.styles),
      tookOf(occurrence, now()),
      occurrence.node ?? '',
      occurrence.id,
      [note, whatOf(occurrence)].filter(Boolean).join(', '),
    ]),
  )
}

/** Returns the duration of a run as text. For a run in progress, returns the time since its start. */
export function tookOf({ startedAt, finishedAt, state }: Occurrence, now: number): string {
  if (startedAt === null || (finishedAt === null && state !== 'running')) return ''
  return duration(Math.max(0, (finishedAt?.getTime() ?? now) - startedAt.getTime()))
}

function slotText({ kind, slot, scheduledAt }: Occurrence, times: Context['times']): string {
  if (slot !== null) return times.at(slot)
  return kind === 'slot' ? times.at(scheduledAt) : ''
}

function whatOf({ kind, reason, recovered, span, tasks, replayOf, backfill }: Occurrence): string {
  const failed = tasks.find(({ error }) => error !== null)
  const parts = [
    backfill !== null ? 'backfill' : kind === 'slot' ? null : kind,
    recovered ? 'recovered' : null,
    span === null ? null : `${span.count} slots`,
    replayOf === null ? null : `of ${replayOf}`,
    reason,
    failed === undefined ? null : `${failed.name}: ${failed.error?.message.split('\n')[0]}`,
  ]
  return parts.filter((part) => part !== null).join(', ')
}
