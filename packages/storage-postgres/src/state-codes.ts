import { codec1, finalStates, type OccurrenceState } from '@jobistemer/core/storage'

/** The lane of a live occurrence: its state, and for a pending one also what the occurrence waits for. */
export const lanes = {
  /** Pending, and a claim may take the occurrence. */
  ready: 0,
  /** Pending. Becomes claimable at a known instant: when the occurrence is due, or when its job's pause ends. */
  delayed: 1,
  /** Pending, while the job is paused without an end. */
  parked: 2,
  queued: 3,
  running: 4,
} as const

/** Difference between the code of a state other than pending and the code of that state in the codec. */
const shift = lanes.parked

/** The codes of each state. The data of users contain these codes, so a code never changes. */
export const stateCodes: Readonly<Record<OccurrenceState, readonly number[]>> = Object.fromEntries([
  ['pending', [lanes.ready, lanes.delayed, lanes.parked]],
  ...(['queued', 'running', ...finalStates] as const).map((state) => [state, [codec1.stateCodes[state] + shift]]),
])

/** The kind codes of slots, including recovered slots. */
export const slotCodes: readonly number[] = [codec1.kindCode('slot', false), codec1.kindCode('slot', true)]

export function stateOf(code: number): OccurrenceState {
  return codec1.stateOf(Math.max(0, code - shift))
}

/** Returns the code of a state that is not pending. Such a state has exactly one code. */
export function stateCode(state: OccurrenceState): number {
  return stateCodes[state][0] as number
}
