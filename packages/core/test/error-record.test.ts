import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { toErrorRecord } from '../src/error-record.ts'
import { JobistemerError } from '../src/errors.ts'

describe('the stored record of an error', () => {
  it('has the name, message, code and stack of the error', () => {
    const error = new JobistemerError('TASK_TIMEOUT', { message: 'Too long.' })
    expect(toErrorRecord(error)).toEqual({
      name: 'JobistemerError',
      message: 'Too long.',
      code: 'TASK_TIMEOUT',
      stack: error.stack,
    })
  })

  it('has a code only if the code of the error is a string', () => {
    expect(toErrorRecord(Object.assign(new Error('no'), { code: 'ENOENT' })).code).toBe('ENOENT')
    expect(toErrorRecord(Object.assign(new Error('no'), { code: 5 }))).not.toHaveProperty('code')
    expect(toErrorRecord(new Error('no'))).not.toHaveProperty('code')
  })

  it('has a stack only if the error has a stack', () => {
    const error = new Error('no')
    Reflect.deleteProperty(error, 'stack')
    expect(toErrorRecord(error)).toEqual({ name: 'Error', message: 'no' })
  })

  it.each<[unknown, string]>([
    ['no', 'no'],
    [5, '5'],
    [undefined, 'undefined'],
    [null, 'null'],
    [{ a: 1 }, '{"a":1}'],
    [Object.create(null), '[object Object]'],
    [Symbol('s'), 'Symbol(s)'],
  ])('has the text of the thrown value as its message when %s was thrown', (thrown, message) => {
    expect(toErrorRecord(thrown)).toEqual({ name: 'Error', message })
  })

  it('contains the causes of the error, and the errors of an AggregateError', () => {
    const cause = new TypeError('no space left', { cause: 'disk' })
    const error = new AggregateError([new RangeError('first'), 'second'], 'both failed', { cause })
    expect(toErrorRecord(error)).toMatchObject({
      name: 'AggregateError',
      message: 'both failed',
      cause: { name: 'TypeError', message: 'no space left', cause: { name: 'Error', message: 'disk' } },
      errors: [
        { name: 'RangeError', message: 'first' },
        { name: 'Error', message: 'second' },
      ],
    })
    expect(toErrorRecord(new Error('no'))).not.toHaveProperty('cause')
    expect(toErrorRecord(new AggregateError([], 'no'))).not.toHaveProperty('errors')
  })

  it('has the name, the message and the code of an error of another realm too', () => {
    const error = runInNewContext("Object.assign(new TypeError('far away'), { code: 'E_FAR' })")
    expect(error).not.toBeInstanceOf(Error)
    expect(toErrorRecord(error)).toMatchObject({ name: 'TypeError', message: 'far away', code: 'E_FAR' })
  })

  it('has a bounded size for an endless chain of causes', () => {
    const cyclic: Error = new Error('cyclic')
    cyclic.cause = cyclic
    expect(JSON.stringify(toErrorRecord(cyclic)).match(/cyclic/g)?.length).toBeLessThan(20)
    const many = (depth: number): Error =>
      depth === 0 ? new Error('m'.repeat(9000)) : new AggregateError(Array.from({ length: 30 }, () => many(depth - 1)))
    expect(JSON.stringify(toErrorRecord(many(3))).length).toBeLessThan(100_000)
  })

  it('cuts long texts, because a job that keeps failing stores the error each time', () => {
    const error = Object.assign(new Error('m'.repeat(10_000)), { code: 'c'.repeat(1000), stack: 's'.repeat(100_000) })
    const record = toErrorRecord(error)
    expect(record.message).toHaveLength(2000)
    expect(record.code).toHaveLength(100)
    expect(record.stack).toHaveLength(4000)
    expect(toErrorRecord('x'.repeat(10_000)).message).toHaveLength(2000)
  })

  it('cuts texts between characters, never inside a surrogate pair', () => {
    const error = Object.assign(new Error(`${'m'.repeat(1999)}😀 and more`), {
      stack: `${'s'.repeat(3999)}😀 and more`,
    })
    const record = toErrorRecord(error)
    expect(record.message).toBe(`${'m'.repeat(1999)}…`)
    expect(record.stack).toBe(`${'s'.repeat(3999)}…`)
  })

  it('is unchanged after a JSON round trip', () => {
    const record = toErrorRecord(new TypeError('no'))
    expect(JSON.parse(JSON.stringify(record))).toEqual(record)
  })

  it('has strings as name and message even if a library has set other values', () => {
    const error = Object.assign(new Error('no'), { name: 5, message: { reason: 'no' } })
    expect(toErrorRecord(error)).toMatchObject({ name: '5', message: '{"reason":"no"}' })
  })

  it('is made even if the members of the error throw when they are read', () => {
    const hostile = new Error('no')
    Object.defineProperty(hostile, 'message', {
      get() {
        throw new Error('hostile')
      },
    })
    expect(toErrorRecord(hostile).message).toBeTypeOf('string')
  })
})
