import { readChoice, readObject } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { ScheduleSegment } from '../../storage/job-record.ts'
import type { SlotSeries } from './slot-series.ts'
import { switchSchedule } from './timeline.ts'

/** From when on a new schedule decides a job's slots. An update never touches slots that lie behind. */
export type UpdatePolicy =
  /** From now on: the default. */
  | 'immediate'
  /** The next slot is still the old schedule's. */
  | 'graceful'
  /** Slots up to `until`, inclusive, are still the old schedule's. */
  | { readonly type: 'graceful'; readonly until: InstantInput }
  /** The new schedule holds from `from` to `to`, both inclusive; before and after, the old one. */
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
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `policy.to lies before policy.from: ${printValue(policy.to)}.`,
    field: 'policy.to',
    value: policy.to,
    remedy: 'Give a window that ends after it begins.',
  })
}

/** The timeline after an update: the three policies are one mechanism. */
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
