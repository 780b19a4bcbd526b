import { JobistemerError } from '../../errors.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { BackfillRecord } from '../../storage/occurrence-record.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { SlotSeries } from '../definitions/slot-series.ts'
import type { YieldBudget } from '../runtime/yield-budget.ts'
import { mostItems } from '../../tuning.ts'

type Span = Pick<BackfillRecord, 'from' | 'to' | 'order'>

/**
 * Returns the schedule that determines the slots of a past span: the schedule in force now, because the storage does not keep
 * earlier ones. Segments of later updates, and of past or future windows, do not count. If no segment covers `now`, returns
 * the nearest one.
 */
export function presentSchedule(timeline: JobRecord['timeline'], now: number): SerializedSchedule | undefined {
  const present = timeline.find(({ until }) => until === null || until > now)
  return (present ?? timeline.at(-1))?.schedule
}

/** Returns the series of {@link presentSchedule}. @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE` */
export async function presentSeries(registry: JobRegistry, head: JobRecord, now: number): Promise<SlotSeries> {
  const learning = registry.learn([head])
  if (learning !== null) await learning
  const schedule = presentSchedule(head.timeline, now)
  const timeline = schedule === undefined ? [] : [{ after: null, until: null, schedule }]
  return registry.seriesOf(timeline, registry.get(head.id)?.job ?? null)
}

/** Returns all slots of a span in its order. @throws JobistemerError `INVALID_ARGUMENT` for too many slots */
export async function slotsOf(
  series: SlotSeries,
  span: Span,
  turns: Pick<YieldBudget, 'stepped'>,
): Promise<readonly number[]> {
  const slots: number[] = []
  for (const slot of walk(series, span, null)) {
    if (slots.length === mostItems) throw tooMany(span)
    slots.push(slot)
    const turn = turns.stepped()
    if (turn !== null) await turn
  }
  return slots
}

/** Returns the slots that follow a slot in its lane, in the order of the backfill. */
export function* slotsAfter(series: SlotSeries, { slot, lanes, ...span }: BackfillRecord): Generator<number> {
  let place = 0
  for (const next of walk(series, span, slot)) if (++place % lanes === 0) yield next
}

function* walk(series: SlotSeries, { from, to, order }: Span, after: number | null): Generator<number> {
  if (order === 'oldest_first') {
    let slot = series.nextMs(after ?? from - 1)
    for (; slot !== null && slot < to; slot = series.nextMs(slot)) yield slot
  } else {
    let slot = series.previousMs(after ?? to)
    for (; slot !== null && slot >= from; slot = series.previousMs(slot)) yield slot
  }
}

function tooMany({ from, to }: Span): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `The span has more slots than ${mostItems}, which is the most that one backfill may have.`,
    field: 'to',
    value: new Date(to),
    remedy: `Make several backfills, of shorter spans from ${new Date(from).toISOString()} on.`,
  })
}
