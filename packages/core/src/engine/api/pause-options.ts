import { readName, readObject } from '../../configuration/read-value.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { PauseRecord } from '../../storage/job-record.ts'
import { type InterventionOptions, interventionOptionNames } from './interventions.ts'

/** Options of a pause. Without `until` and `for`, the pause lasts until a call resumes the job. */
export interface PauseOptions extends InterventionOptions {
  /** End of the pause, a future instant. A slot at exactly this instant runs. */
  readonly until?: InstantInput
  /** Duration of the pause. At least 1 ms. Not together with `until`. */
  readonly for?: DurationInput
}

/** @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_NAME`, `INVALID_INSTANT`, `INVALID_DURATION`, `INVALID_ARGUMENT` */
export function readPause(options: PauseOptions, now: number): PauseRecord {
  readObject(options, 'options', [...interventionOptionNames, 'until', 'for'])
  const reason = options.reason === undefined ? null : readName(options.reason, 'reason')
  const actor = options.actor === undefined ? null : readName(options.actor, 'actor')
  const until = readEnd(options, now)
  return { at: now, ...(until !== null && { until }), reason, actor }
}

function readEnd({ until, for: length }: PauseOptions, now: number): number | null {
  if (until !== undefined && length !== undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `for comes beside until: ${printValue(length)}.`,
      field: 'for',
      value: length,
      remedy: 'Give either until, the instant, or for, the time from now on.',
    })
  }
  if (length !== undefined) return toInstantMs(now + toDurationMs(length, 'for', { min: 1 }), 'for')
  if (until === undefined) return null
  const end = toInstantMs(until, 'until')
  if (end > now) return end
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `until does not lie ahead: ${printValue(until)}.`,
    field: 'until',
    value: until,
    remedy: 'Give an instant that lies ahead, or leave it out: then the job stays paused until it is resumed.',
  })
}
