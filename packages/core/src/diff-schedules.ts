import { readMethods } from './configuration/read-value.ts'
import { type InstantInput, toInstantMs } from './instant.ts'
import type { Schedule } from './schedule/schedule.ts'

/** How a change of schedule affects the slots of a time span. */
export interface ScheduleDifference {
  /** Slots that only the second schedule has. */
  readonly added: readonly Date[]
  /** Slots that only the first schedule has. */
  readonly removed: readonly Date[]
  /** Slots that both schedules have. */
  readonly kept: readonly Date[]
}

/**
 * Compares the slots of two schedules in `[from, to)`; `null` stands for no schedule. The result lists each slot of
 * both schedules: keep the time span short for schedules with a slot in each second.
 * @throws JobistemerError `INVALID_INSTANT`, `INVALID_ARGUMENT`
 */
export function diffSchedules(
  before: Pick<Schedule, 'nextMs'> | null,
  after: Pick<Schedule, 'nextMs'> | null,
  from: InstantInput,
  to: InstantInput,
): ScheduleDifference {
  if (before !== null) readMethods(before, 'before', ['nextMs'])
  if (after !== null) readMethods(after, 'after', ['nextMs'])
  const end = toInstantMs(to, 'to')
  const start = toInstantMs(from, 'from') - 1
  const added: Date[] = []
  const removed: Date[] = []
  const kept: Date[] = []
  const nextOf = (schedule: Pick<Schedule, 'nextMs'> | null, at: number) =>
    schedule?.nextMs(at) ?? Number.POSITIVE_INFINITY
  let old = nextOf(before, start)
  let fresh = nextOf(after, start)
  while (Math.min(old, fresh) < end) {
    const slot = Math.min(old, fresh)
    if (old === fresh) kept.push(new Date(slot))
    else if (old === slot) removed.push(new Date(slot))
    else added.push(new Date(slot))
    if (old === slot) old = nextOf(before, slot)
    if (fresh === slot) fresh = nextOf(after, slot)
  }
  return { added, removed, kept }
}
