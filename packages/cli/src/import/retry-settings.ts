import type { JobSettingsInput } from '@jobistemer/core'
import { hourMs } from './units.ts'

/** How a source retries a failed job. Durations are in ms. */
export interface SourceRetries {
  readonly maxRetries: number
  readonly delayMs: number
  /** Whether each delay is twice the delay before it. */
  readonly doubles: boolean
  /** The longest delay. Default: no limit. */
  readonly mostMs?: number
  readonly jitter?: number
  /** The time limit of an attempt. */
  readonly attemptMs: number
}

/** The highest number of retries and the longest duration that Jobistemer accepts. */
const [mostRetries, longestMs] = [1000, 36_500 * 24 * hourMs]

/**
 * Converts the retries of a source. The delays between attempts count towards `executionTimeout`, so this setting leaves time
 * for all attempts and delays; it is at least its default of 1 h.
 */
export function retrySettings(
  retries: SourceRetries,
): Pick<JobSettingsInput, 'retryPolicy' | 'taskTimeout' | 'executionTimeout'> {
  const { delayMs, doubles, mostMs, jitter, attemptMs } = retries
  const maxRetries = Math.min(retries.maxRetries, mostRetries)
  let totalMs = attemptMs
  let lastMs = 0
  for (let retry = 0; retry < maxRetries; retry += 1) {
    lastMs = Math.min(delayMs * (doubles ? 2 ** retry : 1), mostMs ?? longestMs)
    totalMs += lastMs + attemptMs
  }
  // Without `maxInterval`, Jobistemer limits delays to 1 h, or to a longer `retryInterval`.
  const maxInterval = mostMs ?? (lastMs > Math.max(delayMs, hourMs) ? lastMs : undefined)
  return {
    taskTimeout: attemptMs,
    executionTimeout: Math.min(Math.max(hourMs, totalMs), longestMs),
    ...(maxRetries > 0 && {
      retryPolicy: {
        maxRetries,
        retryInterval: delayMs,
        ...(doubles && { backoffFactor: 2 }),
        ...(maxInterval !== undefined && { maxInterval }),
        ...(jitter !== undefined && { jitter }),
      },
    }),
  }
}
