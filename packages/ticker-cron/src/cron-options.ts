import { JobistemerError, printValue } from '@jobistemer/core'
import { readScheduleOptions, type ScheduleOptions } from '@jobistemer/core/schedule'
import type { OffsetChangeRules } from './cron-kernel.ts'

/** How a schedule's local times map to instants when the zone's offset changes; see {@link CronOptions.dst}. */
export interface CronDstOptions {
  /**
   * A local time that the clock jumps over. `shift`: it happens at the first instant after the gap. `skip`: it does not
   * happen that day.
   */
  readonly gap?: 'shift' | 'skip'
  /** A local time that the clock shows twice: it happens the first time, the last time, or both times. */
  readonly fold?: 'first' | 'last' | 'both'
}

/** What `cron` takes besides the expression. */
export interface CronOptions extends ScheduleOptions {
  /**
   * Default, as the cron daemon does it: where the minute or the hour begins with `*`, the schedule follows elapsed time
   * (`skip`, `both`: nothing made up, nothing lost); anything else is a fixed time, which happens once (`shift`,
   * `first`).
   */
  readonly dst?: CronDstOptions
}

const optionNames = ['timezone', 'start', 'end', 'dst']
const gaps = ['shift', 'skip'] as const
const folds = ['first', 'last', 'both'] as const

/** Checks the names of the options and `dst`. @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT` */
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

/** The rules in force: the options over what kind of schedule it is. */
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
