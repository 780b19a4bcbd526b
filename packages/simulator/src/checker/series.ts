import type { ScheduleSegment } from '@jobistemer/core/storage'
import { everyType } from '../workload/every.ts'

/**
 * Returns the first slot of a timeline strictly after an instant; `null` if no slot follows. Does not use the engine's
 * code, so that the check is independent of the engine.
 */
export function nextSlot(timeline: readonly ScheduleSegment[], afterMs: number): number | null {
  let earliest: number | null = null
  for (const { after, until, schedule } of timeline) {
    const from = after === null ? afterMs : Math.max(after, afterMs)
    const slot = everyType.revive(schedule).nextMs(from)
    if (slot === null || (until !== null && slot > until)) continue
    if (earliest === null || slot < earliest) earliest = slot
  }
  return earliest
}

/** Yields the slots of a timeline in `(after, until]`. */
export function* slotsBetween(timeline: readonly ScheduleSegment[], after: number, until: number): Iterable<number> {
  for (let slot = nextSlot(timeline, after); slot !== null && slot <= until; slot = nextSlot(timeline, slot)) yield slot
}
