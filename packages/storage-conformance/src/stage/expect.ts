import assert from 'node:assert/strict'
import type { CreateAnswer, OccurrenceState } from '@jobistemer/core/storage'

type WithOutcome<A, O> = A extends { readonly outcome: infer X } ? (O extends X ? A : never) : never

// A message contains its records as JSON. These functions write the message only for a failure, because the kit calls them often.

/** Asserts the outcome of an answer, and narrows the answer's type. */
export function expectOutcome<A extends { readonly outcome: string }, O extends A['outcome']>(
  answer: A | undefined,
  outcome: O,
): WithOutcome<A, O> {
  if (answer?.outcome !== outcome) {
    assert.equal(answer?.outcome, outcome, `expected the answer '${outcome}', got ${JSON.stringify(answer)}`)
  }
  return answer as unknown as WithOutcome<A, O>
}

/** Asserts that an occurrence was created in this state, and returns the answer. */
export function expectCreated(
  answer: CreateAnswer | undefined,
  state: OccurrenceState,
): Extract<CreateAnswer, { outcome: 'created' }> {
  const created = expectOutcome(answer, 'created')
  if (created.state !== state) {
    assert.equal(created.state, state, `expected it to be created ${state}, got ${JSON.stringify(answer)}`)
  }
  return created
}

/** Asserts that the list has exactly one item, and returns it. */
export function expectOne<T>(items: readonly T[]): T {
  if (items.length !== 1) assert.equal(items.length, 1, `expected one item, got ${JSON.stringify(items)}`)
  return items[0] as T
}

/**
 * Returns the item at an index.
 * @throws AssertionError if the list is too short
 */
export function itemAt<T>(items: readonly T[], index: number): T {
  assert.ok(index < items.length, `expected an item at ${index}, the list has ${items.length}`)
  return items[index] as T
}
