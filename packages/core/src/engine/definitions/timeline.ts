import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { ScheduleSegment } from '../../storage/job-record.ts'
import { type SlotSeries, checkedSeries } from './slot-series.ts'
import type { ScheduleReviver } from './schedule-reviver.ts'
import { readChoice, readObject } from '../../configuration/read-value.ts'
import { invalidValue } from '../../errors.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'

/** Returns the series of a job's timeline. Each segment's schedule decides the slots of the segment. */
export function seriesOf(timeline: readonly ScheduleSegment[], reviver: ScheduleReviver, jobName?: string): SlotSeries {
  const [only] = timeline
  if (timeline.length === 1 && only !== undefined && only.after === null && only.until === null) {
    return checkedSeries(reviver.revive(only.schedule, jobName))
  }
  const segments = timeline.map(({ after, until, schedule }) => ({
    after: after ?? Number.NEGATIVE_INFINITY,
    until: until ?? Number.POSITIVE_INFINITY,
    schedule: checkedSeries(reviver.revive(schedule, jobName)),
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

/** Returns the timeline in which `schedule` decides the slots after `from`. The slots up to `from` do not change. */
export function switchSchedule(
  timeline: readonly ScheduleSegment[],
  schedule: SerializedSchedule,
  { from, watermark }: { readonly from: number; readonly watermark: number },
): ScheduleSegment[] {
  const kept = timeline
    .filter((segment) => (segment.after ?? Number.NEGATIVE_INFINITY) < from)
    .map((segment) => ({ ...segment, until: Math.min(segment.until ?? Number.POSITIVE_INFINITY, from) }))
    .filter((segment) => segment.until > watermark)
  if (kept.length === 0 && from <= watermark) return [{ after: null, until: null, schedule }]
  return [...kept, { after: from, until: null, schedule }]
}

/** Decides when a new schedule takes effect. An update never changes past slots. */
export type UpdatePolicy =
  /** The new schedule takes effect now. This is the default. */
  | 'immediate'
  /** Only the next slot still follows the old schedule; all later slots follow the new schedule. */
  | 'graceful'
  /** The old schedule decides the slots up to `until`, inclusive; the new schedule decides all later slots. */
  | { readonly type: 'graceful'; readonly until: InstantInput }
  /** The new schedule decides the slots from `from` to `to`, both inclusive. The old schedule decides all other slots. */
  | { readonly type: 'windowed'; readonly from: InstantInput; readonly to: InstantInput }

export type CheckedUpdatePolicy =
  | { readonly type: 'immediate' }
  | { readonly type: 'graceful'; readonly untilMs: number | null }
  | { readonly type: 'windowed'; readonly fromMs: number; readonly toMs: number }

export function readUpdatePolicy(policy: UpdatePolicy): CheckedUpdatePolicy {
  if (policy === 'immediate') return { type: 'immediate' }
  if (policy === 'graceful') return { type: 'graceful', untilMs: null }
  readObject(policy, 'policy', ['type', 'until', 'from', 'to'])
  readChoice(policy.type, ['graceful', 'windowed'], 'policy.type')
  if (policy.type === 'graceful') return { type: 'graceful', untilMs: toInstantMs(policy.until, 'policy.until') }
  const fromMs = toInstantMs(policy.from, 'policy.from')
  const toMs = toInstantMs(policy.to, 'policy.to')
  if (toMs >= fromMs) return { type: 'windowed', fromMs, toMs }
  throw invalidValue('policy.to', 'lies before policy.from', policy.to, 'Give a window that ends after it begins.')
}

/** Returns a job's timeline after an update. */
export function updatedTimeline(
  timeline: readonly ScheduleSegment[],
  schedule: SerializedSchedule,
  options: {
    readonly policy: CheckedUpdatePolicy
    /** The series of slots that `timeline` defines. Only the policy `graceful` needs it. */
    readonly series: SlotSeries | null
    readonly now: number
    readonly watermark: number
  },
): readonly ScheduleSegment[] {
  const { policy, series, watermark } = options
  const now = Math.max(options.now, watermark)
  if (policy.type === 'immediate') return switchSchedule(timeline, schedule, { from: now, watermark })
  if (policy.type === 'graceful') {
    const lastOld = policy.untilMs ?? series?.nextMs(now) ?? now
    return switchSchedule(timeline, schedule, { from: Math.max(now, lastOld), watermark })
  }
  const from = Math.max(now, policy.fromMs - 1)
  if (policy.toMs <= from) return timeline
  const inside = switchSchedule(timeline, schedule, { from, watermark }).map((segment) => ({
    ...segment,
    until: segment.until ?? policy.toMs,
  }))
  const old = timeline.filter((segment) => (segment.until ?? Number.POSITIVE_INFINITY) > policy.toMs)
  return [
    ...inside,
    ...old.map((segment) => ({ ...segment, after: Math.max(segment.after ?? Number.NEGATIVE_INFINITY, policy.toMs) })),
  ]
}
