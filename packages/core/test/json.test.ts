import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toJsonValue } from '../src/json.ts'
import { refusalOf } from './support/thrown-by.ts'

describe('a stored value', () => {
  it('equals its JSON round trip', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(toJsonValue(value, 'data')).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('has no negative zero, as JSON has none', () => {
    expect(toJsonValue({ at: -0, list: [-0] }, 'data')).toEqual({ at: 0, list: [0] })
  })

  it('is a copy', () => {
    const value = { rows: [1] }
    const kept = toJsonValue(value, 'data')
    value.rows.push(2)
    expect(kept).toEqual({ rows: [1] })
  })

  it('is null for undefined', () => {
    expect(toJsonValue(undefined, 'data')).toBeNull()
  })

  it('leaves out members that are undefined', () => {
    expect(toJsonValue({ a: undefined, b: { c: undefined, d: null } }, 'data')).toEqual({ b: { d: null } })
    expect(Object.keys(toJsonValue({ a: undefined }, 'data') as object)).toEqual([])
  })

  it('may have a member of any name', () => {
    const value: unknown = JSON.parse('{"__proto__":{"admin":true},"constructor":1}')
    const kept = toJsonValue(value, 'data')
    expect(JSON.stringify(kept)).toBe('{"__proto__":{"admin":true},"constructor":1}')
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype)
  })

  it('may be an object of another realm, or one without a prototype', () => {
    expect(toJsonValue(runInNewContext('({ rows: [1, { a: 2 }] })'), 'data')).toEqual({ rows: [1, { a: 2 }] })
    expect(toJsonValue(Object.assign(Object.create(null), { a: 1 }), 'data')).toEqual({ a: 1 })
  })

  it('may occur twice, but not inside itself', () => {
    const shared = { a: 1 }
    expect(toJsonValue([shared, shared], 'data')).toEqual([{ a: 1 }, { a: 1 }])
    const cyclic: Record<string, unknown> = {}
    cyclic.list = [cyclic]
    expect(refusalOf(() => toJsonValue(cyclic, 'data'))).toMatchObject({ field: 'data.list[0]', value: cyclic })
  })

  it('may have 131,072 bytes of JSON, in UTF-8 and escaped', () => {
    const tooLarge = (value: unknown) => refusalOf(() => toJsonValue(value, 'data'))
    expect(toJsonValue(['x'.repeat(131_068)], 'data')).toHaveLength(1)
    expect(tooLarge(['x'.repeat(131_069)])).toEqual({ code: 'DATA_TOO_LARGE', field: 'data', value: 131_073 })
    expect(toJsonValue('"'.repeat(65_535), 'data')).toHaveLength(65_535)
    expect(tooLarge('"'.repeat(65_536))).toMatchObject({ code: 'DATA_TOO_LARGE', value: 131_074 })
    expect(tooLarge('\u0000'.repeat(21_846))).toMatchObject({ code: 'DATA_TOO_LARGE', value: 131_078 })
    expect(tooLarge('€'.repeat(43_691))).toMatchObject({ code: 'DATA_TOO_LARGE', value: 131_075 })
  })

  it('that is too large is rejected with RESULT_TOO_LARGE before a copy', () => {
    let shared: unknown = ['x']
    for (let level = 0; level < 60; level++) shared = [shared, shared]
    for (const value of ['x'.repeat(131_073), shared, new Array(1_000_000)]) {
      const refusal = refusalOf(() => toJsonValue(value, 'result', 'RESULT_NOT_SERIALISABLE'))
      expect(refusal).toMatchObject({ code: 'RESULT_TOO_LARGE', field: 'result' })
    }
  })

  it('is nested 100 levels deep at most', () => {
    const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown
    expect(toJsonValue(nested(100), 'data')).toEqual(nested(100))
    expect(refusalOf(() => toJsonValue(nested(101), 'data')).code).toBe('INVALID_ARGUMENT')
    expect(refusalOf(() => toJsonValue(nested(50_000), 'data')).code).toBe('INVALID_ARGUMENT')
  })
})

describe('a value that JSON would drop or change is rejected with its path', () => {
  class Amount {
    readonly cents = 5
    toJSON(): string {
      return '0.05'
    }
  }
  const sparse: unknown[] = [1]
  sparse[2] = 3
  it.each<[what: string, part: unknown]>([
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a Date', new Date(0)],
    ['an object that only looks like a Date', Object.create(Date.prototype)],
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['a bigint', 5n],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['an instance with toJSON', new Amount()],
    ['an object with a toJSON of its own', { toJSON: () => 1 }.toJSON],
    ['a Buffer', Buffer.from('a')],
    ['an error', new Error('no')],
    ['a boxed number', Object(5)],
    ['a sparse list', sparse],
    ['a list with a member of its own', Object.assign([1], { total: 1 })],
    ['an object with a symbol', { [Symbol('s')]: 1 }],
  ])('%s', (_, part) => {
    for (const [value, path] of [
      [part, 'data'],
      [{ rows: [0, { at: part }] }, 'data.rows[1].at'],
    ] as const) {
      expect(refusalOf(() => toJsonValue(value, 'data'))).toEqual({
        code: 'INVALID_ARGUMENT',
        field: path,
        value: part,
      })
      expect(refusalOf(() => toJsonValue(value, 'data', 'RESULT_NOT_SERIALISABLE')).code).toBe(
        'RESULT_NOT_SERIALISABLE',
      )
    }
  })

  it('undefined in a list', () => {
    expect(refusalOf(() => toJsonValue([1, undefined], 'data'))).toMatchObject({ field: 'data[1]', value: undefined })
  })

  it('a getter that throws, with its error as the cause', () => {
    const reason = new Error('no')
    const value = {
      get rows(): number {
        throw reason
      },
    }
    expect(() => toJsonValue({ value }, 'data')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'data.value', cause: reason }),
    )
  })
})
