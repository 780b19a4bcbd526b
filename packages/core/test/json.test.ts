import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toJsonValue } from '../src/json.ts'
import { refusalOf } from './support/thrown-by.ts'

describe('a value that is kept', () => {
  it('is what JSON makes of it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(toJsonValue(value, 'data')).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('is a copy', () => {
    const value = { rows: [1] }
    const kept = toJsonValue(value, 'data')
    value.rows.push(2)
    expect(kept).toEqual({ rows: [1] })
  })

  it('of nothing is null, and of a Date its text', () => {
    expect(toJsonValue(undefined, 'data')).toBeNull()
    expect(toJsonValue(new Date(0), 'data')).toBe('1970-01-01T00:00:00.000Z')
  })

  it('may be as long as 131,072 characters of JSON', () => {
    expect(toJsonValue(['x'.repeat(131_068)], 'data')).toHaveLength(1)
    expect(refusalOf(() => toJsonValue(['x'.repeat(131_069)], 'data'))).toEqual({
      code: 'RESULT_TOO_LARGE',
      field: 'data',
      value: 131_073,
    })
    expect(refusalOf(() => toJsonValue('x'.repeat(131_073), 'result')).code).toBe('RESULT_TOO_LARGE')
  })

  it.each([5n, () => 1, Symbol('s'), { deep: [5n] }])('is not %s', (value) => {
    expect(refusalOf(() => toJsonValue(value, 'result', 'RESULT_NOT_SERIALISABLE'))).toEqual({
      code: 'RESULT_NOT_SERIALISABLE',
      field: 'result',
      value,
    })
  })

  it('is not what refuses to be serialised, and the reason is kept', () => {
    const reason = new Error('no')
    const value = {
      toJSON() {
        throw reason
      },
    }
    expect(() => toJsonValue(value, 'data')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', cause: reason }),
    )
  })
})
