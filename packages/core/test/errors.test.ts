import { describe, expect, it } from 'vitest'
import { JobistemerError, printValue } from '../src/errors.ts'

const error = new JobistemerError('INVALID_NAME', {
  message: 'name is not a name: "".',
  field: 'name',
  value: '',
  remedy: 'Give a string of 1 to 255 characters.',
})

describe('a JobistemerError', () => {
  it('has a code, a field, a value, and a remedy that is part of its message', () => {
    expect(error).toMatchObject({ name: 'JobistemerError', code: 'INVALID_NAME', field: 'name', value: '' })
    expect(error.message).toBe('name is not a name: "". Give a string of 1 to 255 characters.')
    expect(error).toBeInstanceOf(Error)
  })

  it('has only a message if it is made with no other member', () => {
    const bare = new JobistemerError('ABORTED', { message: 'Stopped.' })
    expect(bare.message).toBe('Stopped.')
    expect([bare.field, bare.value, bare.remedy]).toEqual([undefined, undefined, undefined])
    expect('cause' in bare).toBe(false)
  })

  it('keeps the given cause', () => {
    const cause = new TypeError('no')
    expect(new JobistemerError('STORAGE_FAILED', { message: 'No.', cause }).cause).toBe(cause)
  })

  it('is marked with a symbol that is not enumerable', () => {
    expect(Object.getOwnPropertySymbols(error)).toHaveLength(1)
    expect(Reflect.ownKeys(error).filter((key) => Object.getOwnPropertyDescriptor(error, key)?.enumerable)).toEqual([
      'name',
      'code',
      'field',
      'value',
      'remedy',
    ])
  })
})

describe('JobistemerError.isInstance', () => {
  it('is true for a JobistemerError, and, if the caller gives a code, only for an error with that code', () => {
    expect(JobistemerError.isInstance(error)).toBe(true)
    expect(JobistemerError.isInstance(error, 'INVALID_NAME')).toBe(true)
    expect(JobistemerError.isInstance(error, 'ABORTED')).toBe(false)
  })

  it.each([null, undefined, 'INVALID_NAME', new Error('no'), { code: 'INVALID_NAME' }])(
    'is false for a value that is no JobistemerError: %s',
    (value) => {
      expect(JobistemerError.isInstance(value)).toBe(false)
    },
  )

  it('is true for an error of another copy of the package', async () => {
    const other = await anotherCopy()
    const foreign = new other.JobistemerError('STORAGE_BUSY', { message: 'Busy.' })
    expect(foreign).not.toBeInstanceOf(JobistemerError)
    expect(JobistemerError.isInstance(foreign, 'STORAGE_BUSY')).toBe(true)
    expect(JobistemerError.isInstance(foreign, 'STORAGE_FULL')).toBe(false)
    expect(other.JobistemerError.isInstance(error, 'INVALID_NAME')).toBe(true)
  })
})

/** Imports the module `errors` a second time, as a program does if two versions of the package are installed. */
async function anotherCopy(): Promise<typeof import('../src/errors.ts')> {
  const url = new URL('../src/errors.ts?another-copy', import.meta.url).href
  return import(/* @vite-ignore */ url)
}

describe('a refused value in a message', () => {
  it.each<[unknown, string]>([
    ['text', '"text"'],
    [5, '5'],
    [Number.NaN, 'NaN'],
    [{ ratio: Number.POSITIVE_INFINITY }, '{"ratio":"Infinity"}'],
    [5n, '5n'],
    [undefined, 'undefined'],
    [null, 'null'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), 'Invalid Date'],
    [{ minutes: 5 }, '{"minutes":5}'],
    [function work() {}, '[function work]'],
    [() => 1, '[function anonymous]'],
    [Symbol('s'), 'Symbol(s)'],
  ])('is printed as follows: %s as %s', (value, text) => {
    expect(printValue(value)).toBe(text)
  })

  it('is printed as the name of its class if it contains a cycle', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    expect(printValue(cyclic)).toBe('[object Object]')
  })

  it('is printed as `[object Object]` if it has the prototype of Date but is not a Date', () => {
    expect(printValue(Object.create(Date.prototype))).toBe('[object Object]')
  })

  it('is cut to 80 characters', () => {
    expect(printValue('x'.repeat(500))).toHaveLength(80)
  })
})
