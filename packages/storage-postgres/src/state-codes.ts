import type { OccurrenceKind, OccurrenceState, OverlapPolicy } from '@jobistemer/core/storage'

// How names are stored. The numbers are part of every user's data: new names go at the end.

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

/** By their codes; the first three are all pending. */
const states: readonly OccurrenceState[] = [
  'pending',
  'pending',
  'pending',
  'queued',
  'running',
  'completed',
  'completed_with_errors',
  'failed',
  'canceled',
  'failed_stale',
  'skipped',
  'missed',
]

const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']

const kinds: readonly OccurrenceKind[] = ['slot', 'trigger', 'replay']

/** Added to the code of the kind of what recovery created. */
const recoveredBit = 4

/** The codes of each state. */
export const stateCodes: Readonly<Record<OccurrenceState, readonly number[]>> = codesOf(states)

/** The codes of slots, recovered ones too. */
export const slotCodes: readonly number[] = [0, recoveredBit]

export function stateOf(code: number): OccurrenceState {
  return states[code] as OccurrenceState
}

/** The only code of a state that is not pending. */
export function stateCode(state: OccurrenceState): number {
  return stateCodes[state][0] as number
}

export function policyCode(policy: OverlapPolicy): number {
  return policies.indexOf(policy)
}

export function policyOf(code: number): OverlapPolicy {
  return policies[code] as OverlapPolicy
}

export function kindCode(kind: OccurrenceKind, recovered: boolean): number {
  return kinds.indexOf(kind) + (recovered ? recoveredBit : 0)
}

export function kindOf(code: number): OccurrenceKind {
  return kinds[code % recoveredBit] as OccurrenceKind
}

export function isRecovered(code: number): boolean {
  return code >= recoveredBit
}

function codesOf(names: readonly OccurrenceState[]): Record<OccurrenceState, readonly number[]> {
  const codes = {} as Record<OccurrenceState, number[]>
  for (const [code, name] of names.entries()) codes[name] = [...(codes[name] ?? []), code]
  return codes
}
