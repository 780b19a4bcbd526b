import type { JobOverrides } from '../configuration/settings.ts'
import { invalidValue, printValue } from '../errors.ts'

/**
 * Rejects a `maxConcurrency` above 1 or a `startRate` under the overlap policies `allow` and `cancel_running`.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function refuseBoundsOf(
  job: string,
  { overlapPolicy, maxConcurrency = 1, startRate = null }: JobOverrides,
): void {
  if (overlapPolicy !== 'allow' && overlapPolicy !== 'cancel_running') return
  const [field, value] = maxConcurrency > 1 ? ['maxConcurrency', maxConcurrency] : ['startRate', startRate]
  if (value === null) return
  const what = `of job ${printValue(job)} has no meaning under the overlap policy ${printValue(overlapPolicy)}`
  const remedy = `Choose the overlap policy "queue", under which what is beyond it waits, or leave ${field} out.`
  throw invalidValue(field, what, value, remedy)
}
