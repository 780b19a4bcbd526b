import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** A clock offset above this value, in ms, is an error: a node treats such a reading as a jump. */
const errorMs = 5000
/** `doctor` and schedulers warn about a clock offset above this value, in ms. */
const warningMs = 1000

/** Reports if this machine's clock and the storage's clock differ by more than 1 s. */
export async function clockOffset({ clockOffsetMs }: Survey): Promise<readonly Finding[]> {
  if (clockOffsetMs === null || Math.abs(clockOffsetMs) <= warningMs) return []
  const side = clockOffsetMs > 0 ? 'ahead of' : 'behind'
  return [
    {
      code: 'CLOCK_OFFSET',
      severity: Math.abs(clockOffsetMs) > errorMs ? 'error' : 'warning',
      message: `The clock of this machine is ${duration(Math.abs(clockOffsetMs))} ${side} that of the storage.`,
      remedy: 'Find out which of the two is wrong, and let NTP set it. A node on this machine waits until they agree.',
    },
  ]
}
