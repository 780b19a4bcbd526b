import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toJsonValue } from '../src/json.ts'
import { refusalOf } from './support/thrown-by.ts'

describe('a value that toJsonValue accepts', () => {
  it('equals its own JSON round trip', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(toJsonValue(value, 'data')).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('has 0 in place of negative zero, which JSON does not have', () => {
    expect(toJsonValue({ at: -0, list: [-0] }, 'data')).toEqual({ at: 0, list: [0] })
  })

  it('is copied, so that later changes of the original do not affect it', () => {
    const value = { rows: [1] }
    const kept = toJsonValue(value, 'data')
    value.rows.push(2)
    expect(kept).toEqual({ rows: [1] })
  })

  it('becomes null if it is undefined', () => {
    expect(toJsonValue(undefined, 'data')).toBeNull()
  })

  it('loses members that are undefined', () => {
    expect(toJsonValue({ a: undefined, b: { c: undefined, d: null } }, 'data')).toEqual({ b: { d: null } })
    expect(Object.keys(toJsonValue({ a: undefined }, 'data') as object)).toEqual([])
  })

  it('may have members of any name, including __proto__', () => {
    const value: unknown = JSON.parse('{"__proto__":{"admin":true},"constructor":1}')
    const kept = toJsonValue(value, 'data')
    expect(JSON.stringify(kept)).toBe('{"__proto__":{"admin":true},"constructor":1}')
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype)
  })

  it('may be an object of another realm or an object without a prototype', () => {
    expect(toJsonValue(runInNewContext('({ rows: [1, { a: 2 }] })'), 'data')).toEqual({ rows: [1, { a: 2 }] })
    expect(toJsonValue(Object.assign(Object.create(null), { a: 1 }), 'data')).toEqual({ a: 1 })
  })

  it('may contain the same object twice, but not an object that contains itself', () => {
    const shared = { a: 1 }
    expect(toJsonValue([shared, shared], 'data')).toEqual([{ a: 1 }, { a: 1 }])
    const cyclic: Record<string, unknown> = {}
    cyclic.list = [cyclic]
    expect(refusalOf(() => toJsonValue(cyclic, 'data'))).toMatchObject({ field: 'data.list[0]', value: cyclic })
  })

  it('may have 131,072 bytes of JSON at most, counted in UTF-8 and escaped', () => {
    const tooLarge = (value: unknown) => refusalOf(() => toJsonValue(value, 'data'))
    expect(toJsonValue(['x'.repeat(131_068)], 'data')).toHaveLength(1)
    expect(tooLarge(['x'.repeat(131_069)])).toEqual({ code: 'DATA_TOO_LARGE', field: 'data', value: 131_073 })
    expect(toJsonValue('"'.repeat(65_535), 'data')).toHaveLength(65_535)
    expect(tooLarge('"'.repeat(65_536))).toMatchObject({ code: 'DATA_TOO_LARGE', value: 131_074 })
    expect(tooLarge('\u0000'.repeat(21_846))).toMatchObject({ code: 'DATA_TOO_LARGE', value: 131_078 })
    expect(tooLarge('€'.repeat(43_691))).toMatchObject({ code: 'DATA_TOO_LARGE', value: 131_075 })
  })

  it.each([
    ['a Map', new Map([['a', 1]]), 'Map'],
    ['an Error', new Error('no'), 'Error'],
    ['a URL', new URL('http://x/'), 'URL'],
    ['an object of an unknown class', Object.create({}), 'Object'],
    ['an object of a class without a name', new (class {})(), 'a class without a name'],
  ])('is rejected with the name of its class if it is %s', (_, value, name) => {
    const copy = () => toJsonValue({ list: [value] }, 'data')
    expect(refusalOf(copy)).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'data.list[0]' })
    expect(copy).toThrow(`It is an instance of ${name}. Use strings, finite numbers`)
  })

  it('may be a result of at most 131,072 bytes: a larger result is rejected with RESULT_TOO_LARGE before it is copied', () => {
    let shared: unknown = ['x']
    for (let level = 0; level < 60; level++) shared = [shared, shared]
    for (const value of ['x'.repeat(131_073), shared, new Array(1_000_000)]) {
      const refusal = refusalOf(() => toJsonValue(value, 'result', 'RESULT_NOT_SERIALISABLE'))
      expect(refusal).toMatchObject({ code: 'RESULT_TOO_LARGE', field: 'result' })
    }
  })

  it('has at most 100 nested levels', () => {
    const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown
    expect(toJsonValue(nested(100), 'data')).toEqual(nested(100))
    expect(refusalOf(() => toJsonValue(nested(101), 'data')).code).toBe('INVALID_ARGUMENT')
    expect(refusalOf(() => toJsonValue(nested(50_000), 'data')).code).toBe('INVALID_ARGUMENT')
  })
})

describe('toJsonValue rejects, with the path, a value that JSON would drop or change:', () => {
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
  ])('if the value contains %s', (_, part) => {
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

  it('if the value contains undefined in a list', () => {
    expect(refusalOf(() => toJsonValue([1, undefined], 'data'))).toMatchObject({ field: 'data[1]', value: undefined })
  })

  it('if the value has a getter that throws; the cause of the rejection is the thrown error', () => {
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
