import { describe, expect, it } from 'vitest'
import { toLogLine } from '../src/engine/execution/log-line.ts'

const lineOf = (fields: unknown, message: unknown = 'said') => toLogLine(7, 'info', fields, message)
const fieldsOf = (fields: unknown) => lineOf(fields).fields

describe('a kept log line', () => {
  it('has the logged fields and text, and is unchanged after a JSON round trip', () => {
    const line = lineOf({ rows: 3, file: 'a.csv', tags: ['x', null], done: false, gone: undefined })
    const fields = { rows: 3, file: 'a.csv', tags: ['x', null], done: false }
    expect(line).toEqual({ at: 7, level: 'info', message: 'said', fields })
    expect(JSON.parse(JSON.stringify(line))).toEqual(line)
    expect(lineOf({})).toEqual({ at: 7, level: 'info', message: 'said' })
  })

  it('has only a text if the handler gives no fields', () => {
    expect(toLogLine(7, 'warn', 'low on space', undefined)).toEqual({ at: 7, level: 'warn', message: 'low on space' })
    expect(lineOf(undefined, { not: 'a text' }).message).toBe('[object Object]')
  })

  it('contains a printable text for each field value that JSON cannot represent', () => {
    class Point {
      x = 1
    }
    const cyclic: { name: string; self?: unknown } = { name: 'c' }
    cyclic.self = cyclic
    expect(
      fieldsOf({
        big: 12n,
        nan: Number.NaN,
        when: new Date(0),
        never: new Date(Number.NaN),
        sign: Symbol('s'),
        call: function work() {},
        map: new Map([['a', 1]]),
        set: new Set(['b']),
        bytes: new Uint8Array(9),
        point: new Point(),
        own: { toJSON: () => 'itself' },
        cyclic,
      }),
    ).toEqual({
      big: '12',
      nan: 'NaN',
      when: '1970-01-01T00:00:00.000Z',
      never: 'Invalid Date',
      sign: 'Symbol(s)',
      call: '[function work]',
      map: [['a', 1]],
      set: ['b'],
      bytes: '[9 bytes]',
      point: { x: 1 },
      own: 'itself',
      cyclic: { name: 'c', self: { name: 'c', self: { name: 'c', self: { name: 'c', self: '[…]' } } } },
    })
  })

  it('has the name, message, code and cause of a logged error', () => {
    const err = Object.assign(new Error('no space', { cause: new Error('disk') }), { code: 'ENOSPC', stack: 'at 1' })
    const cause = { name: 'Error', message: 'disk' }
    expect(fieldsOf({ err })).toMatchObject({ err: { name: 'Error', message: 'no space', code: 'ENOSPC', cause } })
    expect(fieldsOf(err)).toMatchObject({ err: { message: 'no space' } })
  })

  it('is made without an exception, even if the logged members throw', () => {
    const throwing = {
      good: 1,
      get bad(): never {
        throw new Error('no')
      },
    }
    const refusing = new Proxy({}, { ownKeys: () => throwing.bad, getPrototypeOf: () => throwing.bad })
    expect(fieldsOf(throwing)).toEqual({ good: 1, bad: '[unreadable]' })
    expect(fieldsOf({ refusing })).toEqual({ refusing: '[unreadable]' })
    expect(fieldsOf({ own: { toJSON: () => throwing.bad } })).toEqual({ own: '[unreadable]' })
    expect(lineOf({}, { toString: () => throwing.bad }).message).toBe('[unreadable]')
    expect(lineOf(refusing)).toMatchObject({ message: 'said' })
  })

  it('is cut after 1,000 characters and then marked as cut', () => {
    expect(lineOf({ a: 1 }, 'x'.repeat(1001))).toEqual({ at: 7, level: 'info', message: 'x'.repeat(1000), cut: true })
    const { fields, cut } = lineOf({ first: 'y'.repeat(900), second: 'z'.repeat(900), third: 1 })
    expect(cut).toBe(true)
    expect(Object.keys(fields ?? {})).toEqual(['first', 'second'])
    expect(JSON.stringify(fields).length).toBeLessThan(1100)
    expect(JSON.stringify(lineOf({ list: Array.from({ length: 1e6 }, () => 1) })).length).toBeLessThan(2200)
    for (const empty of [null, '', true, [], {}, new Proxy({}, { ownKeys: () => [].at(0) as never })]) {
      const line = lineOf({ columns: new Array(20_000).fill(empty) })
      expect(line.cut).toBe(true)
      const { columns } = line.fields as { readonly columns: readonly unknown[] }
      expect(columns.length).toBeLessThanOrEqual(1000)
    }
    expect(lineOf({}, `${'x'.repeat(999)}😀`).message).toBe('x'.repeat(999))
  })
})
