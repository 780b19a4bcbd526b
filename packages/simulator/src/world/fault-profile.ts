import type { SeededRandom } from '@jobistemer/test-kit'

/** Faults of one storage call. */
export type CallFault =
  /** The process dies before it sends the call. */
  | 'crash before'
  /** The storage executes the call, but the process dies before it receives the answer. */
  | 'crash after'
  /** The process freezes before the call, and sends the call after the thaw. */
  | 'freeze before'
  /** The storage executes the call. The process freezes, and receives the answer after the thaw. */
  | 'freeze after'
  /** The call fails, and the storage does not execute it. */
  | 'rejected'
  /** The storage executes the call, and its answer gets lost. */
  | 'lost answer'
  /** The caller gets no answer, and the storage executes the call later. */
  | 'late effect'
  /** The storage executes the call twice. */
  | 'doubled'
  /** The request and the answer are delayed. */
  | 'slow'

const callFaults: readonly CallFault[] = [
  'crash before',
  'crash after',
  'freeze before',
  'freeze after',
  'rejected',
  'lost answer',
  'late effect',
  'doubled',
  'slow',
]

/** The probabilities and limits of the faults in the simulation of one seed. */
export interface FaultProfile {
  /** The probability of each fault, for each call. */
  readonly calls: Readonly<Record<CallFault, number>>
  /** Maximum delay of a slow call, in ms. The delay applies twice: to the request, and to the answer. */
  readonly slowestMs: number
  /** Maximum time for which a process freezes, in ms. */
  readonly longestFreezeMs: number
  /** Maximum error of a node's clock, in ms. */
  readonly largestSkewMs: number
  /** Whether faults set the clocks of running nodes. */
  readonly steppingClocks: boolean
  /** Share of wake-ups that get lost, 0 to 1. */
  readonly lostWakeUps: number
  /** Maximum time for which one node cannot reach the storage, in ms. */
  readonly longestPartitionMs: number
}

/** Draws a fault profile. The profile of each seed has only some kinds of faults. */
export function drawFaultProfile(random: SeededRandom): FaultProfile {
  const harshness = random.pick([0.2, 1, 1, 3])
  const has = (share: number): boolean => random.chance(share)
  const rate = (share: number, each: number): number => (has(share) ? each * harshness : 0)
  return {
    calls: {
      'crash before': rate(0.5, 0.002),
      'crash after': rate(0.5, 0.003),
      'freeze before': rate(0.4, 0.002),
      'freeze after': rate(0.4, 0.003),
      rejected: rate(0.4, 0.02),
      'lost answer': rate(0.5, 0.02),
      'late effect': rate(0.3, 0.01),
      doubled: rate(0.4, 0.02),
      slow: rate(0.5, 0.1),
    },
    slowestMs: random.pick([50, 1000, 8000]),
    longestFreezeMs: random.pick([5000, 60_000, 180_000]),
    largestSkewMs: has(0.5) ? random.pick([500, 3000, 20_000, 90_000, 300_000, 300_000]) : 0,
    steppingClocks: has(0.3),
    lostWakeUps: random.pick([0, 0, 0.3, 1]),
    longestPartitionMs: has(0.3) ? random.pick([5000, 60_000]) : 0,
  }
}

/** Returns a profile without faults, except that clocks keep their constant errors. */
export function withoutFaults(profile: FaultProfile): FaultProfile {
  const calls = Object.fromEntries(callFaults.map((fault) => [fault, 0])) as FaultProfile['calls']
  return { ...profile, calls, steppingClocks: false, lostWakeUps: 0, longestPartitionMs: 0 }
}

/** Returns the maximum uncertainty of a clock reading, in ms: half of the longest time from request to answer. */
export function largestUncertainty({ calls, slowestMs, longestFreezeMs }: FaultProfile): number {
  const slowMs = calls.slow > 0 ? slowestMs : 0
  // A fault of another call can freeze the process while this call waits for its answer. So a freeze can delay this answer
  // even if this call has no fault.
  const canFreeze = calls['freeze before'] + calls['freeze after'] > 0
  return slowMs + (canFreeze ? longestFreezeMs : 0) + 1
}

/** Draws the fault of the next call; `null` for a call without a fault. */
export function drawCallFault(profile: FaultProfile, random: SeededRandom): CallFault | null {
  let left = random.next()
  for (const fault of callFaults) {
    left -= profile.calls[fault]
    if (left < 0) return fault
  }
  return null
}
