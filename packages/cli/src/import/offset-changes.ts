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

/** Returns an offset change that is so near that it may affect the instant; `null` if no change is near enough. */
export function changeAround(changes: readonly OffsetChange[], atMs: number): OffsetChange | null {
  // A source may shift a skipped local time by the length of the clock jump. If the jump is shorter than 1 h, the source
  // may shift the time by 1 h. So the distance of the instant from the offset change is at most the longer duration.
  return changes.find(({ at, byMs }) => Math.abs(atMs - at) <= Math.max(hourMs, Math.abs(byMs))) ?? null
}
