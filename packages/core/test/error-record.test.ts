import { describe, expect, it } from 'vitest'
import { toErrorRecord } from '../src/engine/run/error-record.ts'
import { JobistemerError } from '../src/errors.ts'

describe('what is kept of an error', () => {
  it('is its name, message, code and stack', () => {
    const error = new JobistemerError('TASK_TIMEOUT', { message: 'Too long.' })
    expect(toErrorRecord(error)).toEqual({
      name: 'JobistemerError',
      message: 'Too long.',
      code: 'TASK_TIMEOUT',
      stack: error.stack,
    })
  })

  it('is a code only where there is one that is text', () => {
    expect(toErrorRecord(Object.assign(new Error('no'), { code: 'ENOENT' })).code).toBe('ENOENT')
    expect(toErrorRecord(Object.assign(new Error('no'), { code: 5 }))).not.toHaveProperty('code')
    expect(toErrorRecord(new Error('no'))).not.toHaveProperty('code')
  })

  it('is a stack only where there is one', () => {
    const error = new Error('no')
    Reflect.deleteProperty(error, 'stack')
    expect(toErrorRecord(error)).toEqual({ name: 'Error', message: 'no' })
  })

  it.each<[unknown, string]>([
    ['no', 'no'],
    [5, '5'],
    [undefined, 'undefined'],
    [null, 'null'],
    [{ a: 1 }, '[object Object]'],
    [Object.create(null), '[object Object]'],
    [Symbol('s'), 'Symbol(s)'],
  ])('when %s was thrown is its text', (thrown, message) => {
    expect(toErrorRecord(thrown)).toEqual({ name: 'Error', message })
  })

  it('is bounded, since a failing job repeats it', () => {
    const error = Object.assign(new Error('m'.repeat(10_000)), { code: 'c'.repeat(1000), stack: 's'.repeat(100_000) })
    const record = toErrorRecord(error)
    expect(record.message).toHaveLength(2001)
    expect(record.code).toHaveLength(101)
    expect(record.stack).toHaveLength(4001)
    expect(toErrorRecord('x'.repeat(10_000)).message).toHaveLength(2001)
  })

  it('survives being kept as JSON', () => {
    const record = toErrorRecord(new TypeError('no'))
    expect(JSON.parse(JSON.stringify(record))).toEqual(record)
  })

  it('is text even where a library put something else', () => {
    const error = Object.assign(new Error('no'), { name: 5, message: { reason: 'no' } })
    expect(toErrorRecord(error)).toMatchObject({ name: '5', message: '[object Object]' })
  })

  it('is there even when the error refuses to be looked at', () => {
    const hostile = new Error('no')
    Object.defineProperty(hostile, 'message', {
      get() {
        throw new Error('hostile')
      },
    })
    expect(toErrorRecord(hostile).message).toBeTypeOf('string')
  })
})
