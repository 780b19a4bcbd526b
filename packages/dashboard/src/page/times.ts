const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(timeZone: string | undefined): Intl.DateTimeFormat {
  const key = timeZone ?? ''
  const known = formats.get(key)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'shortOffset',
  })
  formats.set(key, format)
  return format
}

/** The local date and time of an instant in a time zone. */
export interface LocalTime {
  /** `2026-01-31` */
  readonly date: string
  /** `02:00:00` */
  readonly time: string
  readonly weekday: string
  /** `UTC`, `UTC+1` */
  readonly offset: string
}

/**
 * Returns the local date and time of an instant.
 * @param timeZone `undefined`: the browser's time zone
 */
export function localTime(at: number, timeZone: string | undefined): LocalTime {
  let parts: Intl.DateTimeFormatPart[]
  try {
    parts = formatOf(timeZone).formatToParts(at)
  } catch {
    // The browser does not know the time zone, so the page shows UTC.
    return localTime(at, 'UTC')
  }
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? ''
  return {
    date: `${part('year')}-${part('month')}-${part('day')}`,
    time: `${part('hour')}:${part('minute')}:${part('second')}`,
    weekday: part('weekday'),
    offset: part('timeZoneName').replace('GMT', 'UTC').replace(/\+0$/, ''),
  }
}

/**
 * Returns the instant of a local time from a form field, such as `2026-01-31T02:00`. Returns `null` for an invalid
 * text.
 */
export function instantOf(text: string, timeZone: string | undefined): string | null {
  const asUtc = Date.parse(`${text}Z`)
  if (Number.isNaN(asUtc)) return null
  let at = asUtc
  // The offset of the time zone depends on the instant that this loop computes, so the loop makes two passes. The first pass
  // uses the offset at `asUtc`: the local time, read as UTC. The second pass uses the offset at the result of the first pass.
  // The second result is right, unless the clocks skip the local time.
  for (let guess = 0; guess < 2; guess++) {
    const { date, time } = localTime(at, timeZone)
    at += asUtc - Date.parse(`${date}T${time}Z`)
  }
  return new Date(at).toISOString()
}

/** Formats an instant as the value of a date and time field: `2026-01-31T02:00`. */
export function fieldTime(at: number, timeZone: string | undefined): string {
  const { date, time } = localTime(at, timeZone)
  return `${date}T${time.slice(0, 5)}`
}

const units: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
]

/** `1 h 20 min`, `12 s`, `350 ms`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  const first = units.findIndex(([, unit]) => ms >= unit)
  const [name, unit] = units[first] as readonly [string, number]
  const whole = Math.floor(ms / unit)
  const next = units[first + 1]
  const rest = next === undefined || whole >= 10 ? 0 : Math.floor((ms % unit) / next[1])
  return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${next?.[0]}`
}

/** `in 5 min`, `3 h ago`. */
export function distance(at: number, now: number): string {
  const ms = Math.abs(at - now)
  if (ms < 1000) return 'now'
  const text = duration(ms < 10_000 ? Math.round(ms / 1000) * 1000 : ms).replace('.0 s', ' s')
  return at > now ? `in ${text}` : `${text} ago`
}
