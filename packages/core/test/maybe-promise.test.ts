import { describe, expect, it } from 'vitest'
import { whenDone } from '../src/storage/ledger/maybe-promise.ts'

describe('whenDone', () => {
  it('calls its callback at once for a value, and for a promise later, with the result of the promise', async () => {
    expect(whenDone(1, (value) => value + 1)).toBe(2)
    const later = whenDone(Promise.resolve(1), (value) => value + 1)
    expect(later).toBeInstanceOf(Promise)
    expect(await later).toBe(2)
  })
})
