import { hourMs, dayMs } from './units.ts'

/** A change of a time zone's offset from UTC. */
export interface OffsetChange {
  /** The first instant with the new offset, in epoch milliseconds. */
  readonly at: number
  /** How far the clocks jump: positive if local times are skipped, negative if local times are repeated. */
  readonly byMs: number
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Returns the offset of a time zone from UTC at an instant, in ms. */
export function offsetAt(timezone: string, atMs: number): number {
  let format = formats.get(timezone)
  if (format === undefined) {
    const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const
    format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, ...numeric, second: 'numeric', hourCycle: 'h23' })
    formats.set(timezone, format)
  }
  const wholeMs = Math.floor(atMs / 1000) * 1000
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (
    format.format(wholeMs).match(/\d+/g) ?? []
  ).map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs
}

/**
 * Returns the offset changes of a time zone within a span. Assumes that no zone changes its offset twice within a day.
 */
export function offsetChanges(timezone: string, fromMs: number, toMs: number): readonly OffsetChange[] {
  const changes: OffsetChange[] = []
  let before = offsetAt(timezone, fromMs)
  for (let day = fromMs; day < toMs; day += dayMs) {
    const after = offsetAt(timezone, day + dayMs)
    if (after === before) continue
    let [low, high] = [day, day + dayMs]
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000
      if (offsetAt(timezone, middle) === before) low = middle
      else high = middle
    }
    changes.push({ at: high, byMs: after - before })
    before = after
  }
  return changes
}

/** Returns an offset change near the instant that may explain a difference at this instant; `null` without such a change. */
export function changeAround(changes: readonly OffsetChange[], atMs: number): OffsetChange | null {
  // A source may shift a local time that the clock skips by the length of the jump, or by 1 h. So a shifted
  // instant is at most the longer of the two durations away from the offset change.
  return changes.find(({ at, byMs }) => Math.abs(atMs - at) <= Math.max(hourMs, Math.abs(byMs))) ?? null
}
