import type { SeededRandom } from '@jobistemer/test-kit'

/** Faults of one call to the storage. */
export type CallFault =
  /** The process dies before it makes the call. */
  | 'crash before'
  /** The call takes effect, and the process dies before it receives the answer. */
  | 'crash after'
  /** The process freezes, and makes the call after it has thawed. */
  | 'freeze before'
  /** The call takes effect. The process freezes, and receives the answer after it has thawed. */
  | 'freeze after'
  /** The call fails without an effect. */
  | 'rejected'
  /** The call takes effect, and its answer gets lost. */
  | 'lost answer'
  /** The call fails without an answer, and takes effect later. */
  | 'late effect'
  /** The call takes effect twice. */
  | 'doubled'
  /** Call and answer are delayed. */
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

/** The probabilities and limits of the faults in the world of one seed. */
export interface FaultProfile {
  /** The probability of each fault, for each call. */
  readonly calls: Readonly<Record<CallFault, number>>
  /** Maximum delay of a slow call in each direction. */
  readonly slowestMs: number
  /** Maximum time for which a process freezes. */
  readonly longestFreezeMs: number
  /** Maximum error of a clock. */
  readonly largestSkewMs: number
  /** Whether faults set clocks while their nodes run. */
  readonly steppingClocks: boolean
  /** The share of wake-ups that never arrive. */
  readonly lostWakeUps: number
  /** Maximum time for which the storage rejects all calls of one node. */
  readonly longestPartitionMs: number
}

/** Draws some faults, not all: a history with few kinds of faults goes deeper. */
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

/** Keeps only the errors of clocks, which stay as they are. */
export function withoutFaults(profile: FaultProfile): FaultProfile {
  const calls = Object.fromEntries(callFaults.map((fault) => [fault, 0])) as FaultProfile['calls']
  return { ...profile, calls, steppingClocks: false, lostWakeUps: 0, longestPartitionMs: 0 }
}

/** Maximum uncertainty of a clock reading: half of the longest time from its request to its answer. */
export function largestUncertainty({ calls, slowestMs, longestFreezeMs }: FaultProfile): number {
  const slowMs = calls.slow > 0 ? slowestMs : 0
  // A process can also freeze for other reasons while its call is in progress.
  const canFreeze = calls['freeze before'] + calls['freeze after'] > 0
  return slowMs + (canFreeze ? longestFreezeMs : 0) + 1
}

/** The fault of the next call, or `null`. */
export function drawCallFault(profile: FaultProfile, random: SeededRandom): CallFault | null {
  let left = random.next()
  for (const fault of callFaults) {
    left -= profile.calls[fault]
    if (left < 0) return fault
  }
  return null
}
