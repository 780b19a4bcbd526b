import { CronKernel, type OffsetChangeRules } from './cron-kernel.ts'
import { type CronFields, LocalTimes } from './local-times.ts'
import { WeakCache } from './weak-cache.ts'
import { zoneOffsets } from './zone-offsets.ts'

const kernels = new WeakCache<CronKernel>()

/**
 * Returns the kernel of an expression in a time zone. Equal arguments share one kernel, so that a thousand equal
 * schedules compile only once.
 */
export function kernelOf(fields: CronFields, timezone: string, rules: OffsetChangeRules): CronKernel {
  const { seconds, minutes, hours, days, months, years } = fields
  const key = [
    keyOf(seconds, 60),
    keyOf(minutes, 60),
    keyOf(hours, 24),
    keyOf(months, 12),
    days.dayOfMonth === null && days.dayOfWeek === null ? '*' : JSON.stringify(days),
    years === null ? '*' : years.join(),
    timezone,
    rules.gap,
    rules.fold,
  ].join(' ')
  return kernels.get(key, () => new CronKernel(new LocalTimes(fields), zoneOffsets(timezone), rules))
}

function keyOf(values: readonly number[], count: number): string {
  return values.length === count ? '*' : values.join()
}
