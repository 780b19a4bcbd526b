import { CliError } from '../cli-error.ts'

/** Formats instants and durations for people. */
export class Times {
  readonly timezone: string
  readonly #now: () => number
  readonly #format: Intl.DateTimeFormat

  /** @throws CliError if the time zone does not exist */
  constructor({ timezone, now }: { readonly timezone: string; readonly now: () => number }) {
    this.timezone = timezone
    this.#now = now
    try {
      this.#format = new Intl.DateTimeFormat('en-GB', { ...fields, timeZone: timezone })
    } catch (cause) {
      throw new CliError({
        code: 'INVALID_TIMEZONE',
        message: `There is no time zone ${JSON.stringify(timezone)}.`,
        field: '--timezone',
        remedy: 'Give a name such as Europe/Berlin, or --utc.',
        cause,
      })
    }
  }

  /**
   * Formats an instant: `2026-01-01 03:00:00+01:00`, in UTC `2026-01-01 02:00:00Z`. Every option for an instant accepts
   * this format.
   */
  at(instant: Date): string {
    const parts = Object.fromEntries(this.#format.formatToParts(instant).map(({ type, value }) => [type, value]))
    const { year, month, day, hour, minute, second, timeZoneName = '' } = parts
    const offset = timeZoneName.replace('GMT', '').replace('+00:00', '') || 'Z'
    const milliseconds = instant.getUTCMilliseconds()
    const fraction = milliseconds === 0 ? '' : `.${String(milliseconds).padStart(3, '0')}`
    return `${year?.padStart(4, '0')}-${month}-${day} ${hour}:${minute}:${second}${fraction}${offset}`
  }

  /** Formats the distance of an instant from the present: `in 4 min`, `2 h ago`, `now`. */
  relative(instant: Date): string {
    const distanceMs = instant.getTime() - this.#now()
    if (Math.abs(distanceMs) < 1000) return 'now'
    const distance = roughly(Math.abs(distanceMs))
    return distanceMs > 0 ? `in ${distance}` : `${distance} ago`
  }

  /** Formats an instant together with its distance from the present. */
  full(instant: Date): string {
    return `${this.at(instant)} (${this.relative(instant)})`
  }
}

/** `850 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(Math.floor(milliseconds / 100) / 10).toString()} s`
  if (milliseconds < hourMs) return two(milliseconds, [60_000, 'min'], [1000, 's'])
  if (milliseconds < dayMs) return two(milliseconds, [hourMs, 'h'], [60_000, 'min'])
  return two(milliseconds, [dayMs, 'd'], [hourMs, 'h'])
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs

const fields = {
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
  timeZoneName: 'longOffset',
} as const

function roughly(milliseconds: number): string {
  if (milliseconds < 60_000) return `${Math.floor(milliseconds / 1000)} s`
  if (milliseconds < hourMs) return `${Math.floor(milliseconds / 60_000)} min`
  if (milliseconds < 2 * dayMs) return `${Math.floor(milliseconds / hourMs)} h`
  return `${Math.floor(milliseconds / dayMs)} d`
}

function two(milliseconds: number, [large, name]: [number, string], [small, part]: [number, string]): string {
  const rest = Math.floor((milliseconds % large) / small)
  return `${Math.floor(milliseconds / large)} ${name}${rest === 0 ? '' : ` ${rest} ${part}`}`
}
