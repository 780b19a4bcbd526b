import { CronKernel, type OffsetChangeRules } from './cron-kernel.ts'
import { type CronFields, LocalTimes } from './local-times.ts'
import { WeakCache } from './weak-cache.ts'
import { zoneOffsets } from './zone-offsets.ts'

const times = new WeakCache<LocalTimes>()
const kernels = new WeakCache<CronKernel>()

/** The local times of an expression; equal ones are one object. */
export function localTimesOf(fields: CronFields): LocalTimes {
  return times.get(JSON.stringify(fields), () => new LocalTimes(fields))
}

/** The kernel of an expression in a zone; equal ones are one object, so a thousand equal schedules compile once. */
export function kernelOf(fields: CronFields, timezone: string, rules: OffsetChangeRules): CronKernel {
  const key = JSON.stringify([fields, timezone, rules.gap, rules.fold])
  return kernels.get(key, () => new CronKernel(localTimesOf(fields), zoneOffsets(timezone), rules))
}
