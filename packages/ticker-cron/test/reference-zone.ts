// The time zone data of the tests. This module reads Intl in another way than the package's code, and shares no code with it.

/** An instant in seconds at which the local clock of a zone is set forward or back. */
export interface OffsetChange {
  readonly at: number
  readonly before: number
  readonly after: number
}

const day = 86_400
/** Seconds between two compared offsets. No zone changes its offset twice within 3.9 days. */
const step = 3 * day

/** Returns all zones of the runtime, UTC, and some alias names. */
export function allZones(): readonly string[] {
  const aliases = ['UTC', 'Etc/UTC', 'GMT', 'US/Eastern', 'GB', 'Asia/Calcutta', 'Etc/GMT+12', 'Etc/GMT-14', 'EST5EDT']
  return [...new Set([...Intl.supportedValuesOf('timeZone'), ...aliases])]
}

/** Returns the offset changes of a zone in these years, found by comparing the offsets of every third day. */
export function offsetChanges(timezone: string, fromYear: number, toYear: number): readonly OffsetChange[] {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, timeZoneName: 'longOffset', year: '2-digit' })
  const offsetAt = (second: number): number => {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(second * 1000))
    if (match === null) throw new Error(`No offset of ${timezone} at ${second}`)
    const [, sign, hours = '0', minutes = '0', seconds = '0'] = match
    return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) + 0
  }
  const changes: OffsetChange[] = []
  const end = Date.UTC(toYear + 1, 0, 1) / 1000
  let before = offsetAt(Date.UTC(fromYear, 0, 1) / 1000)
  for (let second = Date.UTC(fromYear, 0, 1) / 1000; second < end; second += step) {
    const after = offsetAt(second + step)
    if (after === before) continue
    let low = second
    let high = second + step
    while (high - low > 1) {
      const middle = low + Math.floor((high - low) / 2)
      if (offsetAt(middle) === before) low = middle
      else high = middle
    }
    changes.push({ at: high, before, after })
    before = after
  }
  return changes
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Returns the local time of a zone at an instant, as seconds since 1970-01-01T00:00:00 on the local clock. */
export function localTimeAt(timezone: string, second: number): number {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      calendar: 'gregory',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(timezone, format)
  }
  const part: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(second * 1000)) part[type] = Number(value)
  const { year = 0, month = 1, day: dayOfMonth = 1, hour = 0, minute = 0, second: seconds = 0 } = part
  return Date.UTC(year, month - 1, dayOfMonth, hour, minute, seconds) / 1000
}
