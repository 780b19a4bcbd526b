import { codec1, finalStates, type OccurrenceState } from '@jobistemer/core/storage'

/** Where a live occurrence stands: its state, and for a pending one what it waits for. */
export const lanes = {
  /** Pending; a claim may take it. */
  ready: 0,
  /** Pending; due, or its job's pause over, later. */
  delayed: 1,
  /** Pending; its job is paused until it is resumed. */
  parked: 2,
  queued: 3,
  running: 4,
} as const

/** By how much the code of a state that is not pending lies above that of the codec. */
const shift = lanes.parked

/** The codes of each state. Data of users have them. */
export const stateCodes: Readonly<Record<OccurrenceState, readonly number[]>> = Object.fromEntries([
  ['pending', [lanes.ready, lanes.delayed, lanes.parked]],
  ...(['queued', 'running', ...finalStates] as const).map((state) => [state, [codec1.stateCodes[state] + shift]]),
])

/** The codes of slots, recovered ones too. */
export const slotCodes: readonly number[] = [codec1.kindCode('slot', false), codec1.kindCode('slot', true)]

export function stateOf(code: number): OccurrenceState {
  return codec1.stateOf(Math.max(0, code - shift))
}

/** The only code of a state that is not pending. */
export function stateCode(state: OccurrenceState): number {
  return stateCodes[state][0] as number
}
