import type { JobSettings, StartRate } from '@jobistemer/core'
import { duration } from './times.ts'

/** Returns the name and the value of a setting as text for people. */
export function settingText(name: string, value: unknown): readonly [string, string] {
  if (name === 'startRate') return [name, startRateText(value as StartRate | null)]
  if (name === 'taskTimeoutMs' && value === null) return ['taskTimeout', 'executionTimeout']
  const shown = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
  return [
    name.replace(/Ms$/, ''),
    name.endsWith('Ms') && typeof value === 'number'
      ? duration(value)
      : name === 'retention' && value === null
        ? 'forever'
        : shown,
  ]
}

function startRateText(rate: StartRate | null): string {
  return rate === null ? 'unlimited' : `${rate.limit} in ${duration(rate.intervalMs)}`
}

/** Returns all settings of a job as pairs of a name and a text. */
export function settingTexts(settings: JobSettings): readonly (readonly [string, string])[] {
  return Object.entries(settings).map(([name, value]) =>
    name === 'taskTimeoutMs' && value === null
      ? ['taskTimeout', `executionTimeout (${duration(settings.executionTimeoutMs)})`]
      : settingText(name, value),
  )
}
