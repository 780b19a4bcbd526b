import { expect, it } from 'vitest'
import { finalStates, liveStates } from '../src/storage/index.ts'
import { stateMeanings, whyOf } from '../src/occurrence-reason.ts'

it('`whyOf` returns a sentence for each state, and for each reason that explains more than the state', () => {
  for (const state of [...liveStates, ...finalStates]) expect(whyOf({ state, reason: null })).toMatch(/^[A-Z].+\.$/)
  expect(whyOf({ state: 'failed', reason: 'invalid_payload' })).toBe(
    'Its data do not fit the payload schema of the job.',
  )
  expect(whyOf({ state: 'canceled', reason: 'backfill_stopped' })).toBe('It waited in a backfill that was stopped.')
  expect(whyOf({ state: 'canceled', reason: 'backfill_stopped: too slow' })).toBe(
    'It waited in a backfill that was stopped: too slow',
  )
})

it('`whyOf` ignores a reason that a user gave, and explains the state', () => {
  expect(whyOf({ state: 'canceled', reason: 'no longer wanted' })).toBe(stateMeanings.canceled)
})
