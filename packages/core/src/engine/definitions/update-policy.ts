import { readChoice, readObject } from '../../configuration/read-value.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { ScheduleSegment } from '../../storage/job-record.ts'
import type { SlotSeries } from './slot-series.ts'
import { switchSchedule } from './timeline.ts'
import { invalidValue } from '../../errors.ts'

/** When a new schedule takes effect. An update never changes past slots. */
export type UpdatePolicy =
  /** The new schedule takes effect now. The default. */
  | 'immediate'
  /** The old schedule decides one more slot. */
  | 'graceful'
  /** The old schedule decides slots up to `until`, inclusive. */
  | { readonly type: 'graceful'; readonly until: InstantInput }
  /** The new schedule decides slots from `from` to `to`, both inclusive. The old schedule decides all others. */
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

/** Returns the timeline after an update. Each policy only determines where the timeline switches schedules. */
export function updatedTimeline(
  timeline: readonly ScheduleSegment[],
  schedule: SerializedSchedule,
  options: {
    readonly policy: CheckedUpdatePolicy
    /** The series of `timeline`. */
    readonly series: SlotSeries
    readonly now: number
    readonly watermark: number
  },
): readonly ScheduleSegment[] {
  const { policy, series, watermark } = options
  const now = Math.max(options.now, watermark)
  if (policy.type === 'immediate') return switchSchedule(timeline, schedule, { from: now, watermark })
  if (policy.type === 'graceful') {
    const lastOld = policy.untilMs ?? series.nextMs(now) ?? now
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
