import { CliError } from './cli-error.ts'
import { Times } from './output/times.ts'

const dayMs = 86_400_000

/**
 * Returns the instant of a local time in a time zone. `wallMs` is the local time, counted as if it were UTC.
 * @throws CliError if the clocks of the zone skip the local time or show it twice
 */
export function instantInZone(wallMs: number, zone: string, { field, given }: { field: string; given: string }): Date {
  const times = new Times({ timezone: zone, now: () => wallMs })
  const offsetAt = (ms: number): number => Date.parse(`${times.at(new Date(ms)).slice(0, 19).replace(' ', 'T')}Z`) - ms
  const wholeMs = Math.floor(wallMs / 1000) * 1000
  // The zone's offsets one day before and one day after the local time. No zone changes its offset twice within two days.
  // So one of these two offsets applies at the local time.
  const offsets = new Set([offsetAt(wholeMs - dayMs), offsetAt(wholeMs + dayMs)])
  const instants = [...offsets].map((offset) => wholeMs - offset).filter((ms) => ms + offsetAt(ms) === wholeMs)
  const [first, second] = instants.map((ms) => new Date(ms + wallMs - wholeMs)).sort((one, other) => +one - +other)
  if (first !== undefined && second === undefined) return first
  throw new CliError({
    code: 'INVALID_INSTANT',
    field,
    message:
      first === undefined
        ? `${field} does not exist in ${zone}: its clocks skip ${given}.`
        : `${field} is two instants in ${zone}: its clocks show ${given} twice.`,
    remedy:
      first === undefined || second === undefined
        ? 'Give a time that exists there, or one with its offset from UTC.'
        : `Give "${times.at(first)}" or "${times.at(second)}".`,
  })
}
