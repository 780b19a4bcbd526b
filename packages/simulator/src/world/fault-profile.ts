import type { SeededRandom } from '@jobistemer/test-kit'

/** What can happen to one call to the storage. */
export type CallFault =
  /** The process dies; the call was never made. */
  | 'crash before'
  /** The call takes effect, and the process dies before it hears of it. */
  | 'crash after'
  /** The process stands still; its call goes out when it runs again. */
  | 'freeze before'
  /** The call takes effect; its answer is heard when the process runs again. */
  | 'freeze after'
  /** Refused without an effect. */
  | 'rejected'
  /** The call takes effect, and its answer is lost. */
  | 'lost answer'
  /** The answer never came, and the call takes effect some time later. */
  | 'late effect'
  /** The call takes effect twice. */
  | 'doubled'
  /** Call and answer take their time. */
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

/** How hard the world of one seed is. */
export interface FaultProfile {
  /** The probability of each fault, for each call. */
  readonly calls: Readonly<Record<CallFault, number>>
  /** How long a slow call may take, each way. */
  readonly slowestMs: number
  /** How long a process may stand still. */
  readonly longestFreezeMs: number
  /** How far a clock may be off. */
  readonly largestSkewMs: number
  /** Whether clocks are set while their nodes run. */
  readonly steppingClocks: boolean
  /** The share of wake-ups that never arrive. */
  readonly lostWakeUps: number
  /** The storage refuses everything of one node, for up to so long, now and then. */
  readonly longestPartitionMs: number
}

/** Some faults, not all: a history of one kind of trouble goes deeper than one of all at once. */
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

/** Nothing goes wrong but clocks, which are as wrong as they stay. */
export function withoutFaults(profile: FaultProfile): FaultProfile {
  const calls = Object.fromEntries(callFaults.map((fault) => [fault, 0])) as FaultProfile['calls']
  return { ...profile, calls, steppingClocks: false, lostWakeUps: 0, longestPartitionMs: 0 }
}

/** By how much a reading of a clock can be uncertain: half of the longest time from its request to its answer. */
export function largestUncertainty({ calls, slowestMs, longestFreezeMs }: FaultProfile): number {
  const slowMs = calls.slow > 0 ? slowestMs : 0
  // A process can also be frozen at rest, while its call is under way.
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
