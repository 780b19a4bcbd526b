import { describe, expect, it } from 'vitest'
import { whenDone } from '../src/storage/ledger/maybe-promise.ts'

describe('whenDone', () => {
  it('calls its callback at once if it receives a value, and later with the result if it receives a promise', async () => {
    expect(whenDone(1, (value) => value + 1)).toBe(2)
    const later = whenDone(Promise.resolve(1), (value) => value + 1)
    expect(later).toBeInstanceOf(Promise)
    expect(await later).toBe(2)
  })
})
