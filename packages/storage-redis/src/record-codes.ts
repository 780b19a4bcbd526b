import type { OccurrenceKind, OccurrenceState, OverlapPolicy } from '@jobistemer/core/storage'

// How names are stored. The numbers are part of every user's data: new names go at the end.

const states: readonly OccurrenceState[] = [
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
export const recoveredBit = 4

/** Added to the code of the kind when the details begin with the last slot of a span, as a number. */
export const spanBit = 8

/** In answers, in the place of the code of a state: there is no record. */
export const absentState = 255

export const stateCodes: Readonly<Record<OccurrenceState, number>> = codesOf(states)
export const policyCodes: Readonly<Record<OverlapPolicy, number>> = codesOf(policies)
export const kindCodes: Readonly<Record<OccurrenceKind, number>> = codesOf(kinds)

// Of requests: these are not stored.

export const itemKinds = { slot: 0, trigger: 1, replay: 2, exclusion: 3, recovery: 4 } as const

/** Not 0, which stands for an item without a key. */
export const keyScopes = { waiting: 1, live: 2 } as const

export const settleChanges = { progress: 0, finish: 1, release: 2 } as const

export const jobChanges = { create: 0, replace: 1, pause: 2, delete: 3 } as const

export function stateOf(code: number): OccurrenceState {
  return states[code] as OccurrenceState
}

export function policyOf(code: number): OverlapPolicy {
  return policies[code] as OverlapPolicy
}

export function kindCode(kind: OccurrenceKind, recovered: boolean): number {
  return recovered ? kindCodes[kind] + recoveredBit : kindCodes[kind]
}

export function kindOf(code: number): OccurrenceKind {
  return kinds[code % recoveredBit] as OccurrenceKind
}

export function isRecovered(code: number): boolean {
  return code >= recoveredBit
}

function codesOf<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, code) => [name, code])) as Record<Name, number>
}
