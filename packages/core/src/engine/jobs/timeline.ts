import { JobistemerError, printValue } from '../../errors.ts'
import type { Schedule, ScheduleType, SerializedSchedule } from '../../schedule/schedule.ts'
import type { ScheduleSegment } from '../../storage/job-record.ts'
import { checkedSeries } from './checked-series.ts'

/** What the engine asks of a job's schedules. */
export interface SlotSeries {
  /** The first slot strictly after, in epoch milliseconds. */
  nextMs(afterMs: number): number | null
  /** The last slot strictly before. */
  previousMs(beforeMs: number): number | null
}

/** Revives stored schedules, with the schedule types that this node knows. */
export class ScheduleReviver {
  readonly #types = new Map<string, ScheduleType>()

  add(type: ScheduleType): void {
    this.#types.set(type.name, type)
  }

  knows(serialized: SerializedSchedule): boolean {
    return this.#types.has(serialized.type)
  }

  revive(serialized: SerializedSchedule): Schedule {
    const type = this.#types.get(serialized.type)
    if (type !== undefined) return type.revive(serialized)
    throw new JobistemerError('UNKNOWN_SCHEDULE_TYPE', {
      message: `A stored schedule is of a type that this node does not know: ${printValue(serialized.type)}.`,
      field: 'scheduleTypes',
      value: serialized.type,
      remedy: 'Pass its type to createScheduler({ scheduleTypes: [...] }).',
    })
  }
}

/** The series of a timeline: each segment's schedule decides the slots of its stretch. */
export function seriesOf(timeline: readonly ScheduleSegment[], reviver: ScheduleReviver): SlotSeries {
  const [only] = timeline
  if (timeline.length === 1 && only !== undefined && only.after === null && only.until === null) {
    return checkedSeries(reviver.revive(only.schedule))
  }
  const segments = timeline.map(({ after, until, schedule }) => ({
    after: after ?? Number.NEGATIVE_INFINITY,
    until: until ?? Number.POSITIVE_INFINITY,
    schedule: checkedSeries(reviver.revive(schedule)),
  }))
  return {
    nextMs(afterMs) {
      for (const { after, until, schedule } of segments) {
        if (until <= afterMs) continue
        const slot = schedule.nextMs(Math.max(afterMs, after))
        if (slot !== null && slot <= until) return slot
      }
      return null
    },
    previousMs(beforeMs) {
      for (const { after, until, schedule } of segments.toReversed()) {
        if (after >= beforeMs - 1) continue
        const slot = schedule.previousMs(Math.min(beforeMs, until + 1))
        if (slot !== null && slot > after) return slot
      }
      return null
    },
  }
}

/**
 * The timeline in which `schedule` takes over from `from` on, exclusive. What was decided by the old one up to there
 * stays: an update is never retroactive.
 */
export function switchSchedule(
  timeline: readonly ScheduleSegment[],
  schedule: SerializedSchedule,
  options: { readonly from: number; readonly watermark: number },
): ScheduleSegment[] {
  const { from, watermark } = options
  const kept = timeline
    .filter((segment) => (segment.after ?? Number.NEGATIVE_INFINITY) < from)
    .map((segment) => ({ ...segment, until: Math.min(segment.until ?? Number.POSITIVE_INFINITY, from) }))
    .filter((segment) => segment.until > watermark)
  if (kept.length === 0 && from <= watermark) return [{ after: null, until: null, schedule }]
  return [...kept, { after: from, until: null, schedule }]
}
