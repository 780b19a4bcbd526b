import { JobistemerError, printValue } from '@jobistemer/core'

const longestInterval = 200

/**
 * Checks that an interval is a text short enough to parse.
 * @throws JobistemerError `INVALID_SCHEDULE`
 */
export function readInterval(interval: unknown): string {
  if (typeof interval === 'string' && interval.length <= longestInterval) return interval
  throw new JobistemerError('INVALID_SCHEDULE', {
    message: `The interval is not a string of at most ${longestInterval} characters: ${printValue(interval)}.`,
    field: 'interval',
    value: interval,
    remedy: 'Give an ISO 8601 repeating interval such as R5/2026-01-31T00:00:00/P1M.',
  })
}
