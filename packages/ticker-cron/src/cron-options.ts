import { JobistemerError, printValue } from '@jobistemer/core'
import { readScheduleOptions, type ScheduleOptions } from '@jobistemer/core/schedule'
import type { OffsetChangeRules } from './cron-kernel.ts'

/**
 * Rules that map a schedule's local times to instants when the offset of its time zone changes; see {@link
 * CronOptions.dst}.
 */
export interface CronDstOptions {
  /**
   * For a local time that the clock skips: `shift` fires at the first instant after the gap, `skip` does not fire that
   * day.
   */
  readonly gap?: 'shift' | 'skip'
  /** For a local time that the clock shows twice: fires the first time, the last time, or both times. */
  readonly fold?: 'first' | 'last' | 'both'
}

/** The options of `cron`. */
export interface CronOptions extends ScheduleOptions {
  /**
   * How to treat local times that the clock skips or repeats. The default is the rule of the cron daemon:
   *
   * - If the minute or the hour field begins with `*`, the schedule follows elapsed time (`skip`, `both`).
   * - Any other schedule has fixed times, which fire exactly once (`shift`, `first`).
   */
  readonly dst?: CronDstOptions
}

const optionNames = ['timezone', 'start', 'end', 'dst']
const gaps = ['shift', 'skip'] as const
const folds = ['first', 'last', 'both'] as const

/**
 * Checks the names of the options, and the option `dst`.
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function readCronOptions(options: CronOptions): CronOptions {
  readScheduleOptions(options, optionNames)
  const { dst } = options
  if (dst === undefined) return options
  if (Object.prototype.toString.call(dst) !== '[object Object]')
    refuse(dst, 'dst', 'Give an object with gap, fold or both.')
  for (const name of Object.keys(dst)) {
    if (name !== 'gap' && name !== 'fold') {
      throw new JobistemerError('UNKNOWN_OPTION', {
        message: `dst.${name} is not an option.`,
        field: `dst.${name}`,
        value: dst[name as keyof CronDstOptions],
        remedy: 'Known are gap, fold.',
      })
    }
  }
  if (dst.gap !== undefined && !gaps.includes(dst.gap)) refuse(dst.gap, 'dst.gap', 'Allowed are "shift", "skip".')
  if (dst.fold !== undefined && !folds.includes(dst.fold)) {
    refuse(dst.fold, 'dst.fold', 'Allowed are "first", "last", "both".')
  }
  return options
}

/**
 * Returns the rules for offset changes: those of the option `dst`, with defaults that depend on the kind of schedule.
 */
export function offsetChangeRules(dst: CronDstOptions | undefined, followsElapsedTime: boolean): OffsetChangeRules {
  return {
    gap: dst?.gap ?? (followsElapsedTime ? 'skip' : 'shift'),
    fold: dst?.fold ?? (followsElapsedTime ? 'both' : 'first'),
  }
}

function refuse(value: unknown, field: string, remedy: string): never {
  throw new JobistemerError('INVALID_SCHEDULE', {
    message: `${field} is not a rule for offset changes: ${printValue(value)}.`,
    field,
    value,
    remedy,
  })
}
