import type { Occurrence } from '@jobistemer/core'
import type { Context } from '../command.ts'
import type { Cell, Column } from './table.ts'
import { stateCell } from './states.ts'
import { duration } from './times.ts'

/** A run, and the name of its job in lists of several jobs. */
export interface ListedRun {
  readonly job?: string
  readonly occurrence: Occurrence
  /** A note, which comes first. */
  readonly note?: string | null
}

/** Writes runs, one a line. */
export async function printRuns({ out, times, now }: Context, runs: readonly ListedRun[]): Promise<void> {
  const hasJobs = runs.some(({ job }) => job !== undefined)
  // A replay and a run of a backfill work for an instant other than their scheduled start.
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

/** Returns the duration of a run, so far if it still runs. */
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
