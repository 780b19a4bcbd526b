import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { printError } from '../src/error-record.ts'
import { boundLogger, guardedLogger, type Logger, stderrLogger, tracedLogger } from '../src/logger.ts'

/** Returns what the default logger writes, without the time. */
function written(log: (logger: Logger) => void): string {
  const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  // Wraps the logger as the engine does.
  log(boundLogger(guardedLogger(stderrLogger), { job: 'report' }))
  return spy.mock.calls.map(([text]) => String(text).replace(/^\S+Z /, '')).join('')
}

/** Returns what the user's logger receives for a log line of a handler. */
function given(fields: unknown, message?: unknown): unknown[] {
  const error = vi.fn()
  const logger = { ...guardedLogger(stderrLogger), error }
  const used = tracedLogger(boundLogger(logger, { job: 'report' }), { logFields: () => ({ trace_id: 't' }) })
  used.error(fields as object, message as string)
  return error.mock.calls[0] as unknown[]
}

const throwing = {
  good: 1,
  get bad(): never {
    throw new Error('no')
  },
}
const refusing = new Proxy({}, { ownKeys: () => throwing.bad, getPrototypeOf: () => throwing.bad })

describe('the default logger of a scheduler', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('writes a line for field values of any kind', () => {
    const cyclic: { name: string; self?: unknown } = { name: 'c' }
    cyclic.self = cyclic
    const fieldOf = (field: unknown) => written(({ error }) => error({ field }, 'said'))
    const shown: readonly [unknown, string][] = [
      [10n, '10n'],
      [[10n], '[ 10n ]'],
      [cyclic, "<ref *1> { name: 'c', self: [Circular *1] }"],
      [new Date(Number.NaN), 'Invalid Date'],
      [new Date(0), '1970-01-01T00:00:00.000Z'],
      [{ toJSON: () => throwing.bad }, '{ toJSON: [Function: toJSON] }'],
      [Symbol('s'), 'Symbol(s)'],
      [undefined, 'undefined'],
      [function work() {}, '[Function: work]'],
      [new Error('no space'), '"Error: no space"'],
      [refusing, '{}'],
      [{ rows: [1, null] }, '{"rows":[1,null]}'],
    ]
    for (const [field, text] of shown) {
      expect(fieldOf(field)).toBe(`error jobistemer: said job=report field=${text}\n`)
      vi.restoreAllMocks()
    }
  })

  it('writes a line even if the fields throw when they are read', () => {
    expect(written(({ warn }) => warn(throwing, 'said'))).toBe(
      'warn jobistemer: said job=report fields="[unreadable]"\n',
    )
    vi.restoreAllMocks()
    expect(written(({ warn }) => warn(refusing, 'said'))).toBe(
      'warn jobistemer: said job=report fields="[unreadable]"\n',
    )
  })

  it('escapes control characters, so that no logged text begins a line or controls a terminal', () => {
    const forged = '2026-01-01T00:00:00.000Z error jobistemer: forged'
    const evil = `a\n${forged}\r\u001b]0;title\u0007\u009b31m\u2028b`
    const shown = `a\\n${forged}\\u000d\\u001b]0;title\\u0007\\u009b31m\\u2028b`
    expect(written(({ warn }) => warn({}, evil))).toBe(`warn jobistemer: ${shown} job=report\n`)
    vi.restoreAllMocks()
    const text = written(({ error }) => error({ field: evil, [evil]: 1, err: new Error(evil) }, 'said'))
    const lines = text.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^error jobistemer: said job=report field=/)
    for (const line of lines.slice(1)) expect(line).toMatch(/^ {2}/)
    expect(lines.join('')).not.toMatch(/[\p{Cc}\u2028\u2029]/u)
  })

  it('prints the code of an error after the class of the error, unless the message contains the code', () => {
    const full = Object.assign(new Error('no space'), { code: 'STORAGE_FULL' })
    const known = Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' })
    const text = printError(new Error('failed', { cause: full }))
    expect(text).toContain('caused by Error [STORAGE_FULL]: no space\n    at ')
    expect(printError(known)).toMatch(/^Error: ENOSPC: no space\n/)
    expect(printError(Object.assign(new Error('x'), { stack: 'at 1', code: 'E1' }))).toBe('at 1 [E1]')
  })

  it('prints each error of an AggregateError, and the causes of these errors', () => {
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', cause: new Error('closed port') })
    const text = printError(
      new Error('fetch failed', { cause: new AggregateError([refused, 'offline'], 'no address') }),
    )
    const heads = text.split('\n').filter((line) => !line.startsWith('    at '))
    expect(heads).toEqual([
      'Error: fetch failed',
      'caused by AggregateError: no address',
      'error 1: Error [ECONNREFUSED]: refused',
      'caused by Error: closed port',
      'error 2: Error: offline',
    ])
  })

  it('writes the message and stack of an error that a caller passes in place of the fields, even from another realm', () => {
    const declined = new Error('card was declined', { cause: new Error('no money') })
    const text = written(({ error }) => error(declined, 'not paid'))
    expect(text).toMatch(/^error jobistemer: not paid job=report\n {2}Error: card was declined\n {6}at .*logger\.test/)
    expect(text).toContain('caused by Error: no money')
    vi.restoreAllMocks()
    const foreign: Error = runInNewContext('new RangeError("too far")')
    expect(written(({ error }) => error(foreign, 'said'))).toContain(
      'said job=report\n  RangeError: too far\n      at ',
    )
    vi.restoreAllMocks()
    expect(written((logger) => (logger.error as (error: Error) => void)(declined))).toMatch(
      /^error jobistemer: job=report\n {2}Error: card was declined\n/,
    )
  })
})

describe('a line that a handler logs', () => {
  it('has the field `err`, as in pino, if the handler passes an error in place of the fields', () => {
    const err = new Error('card was declined')
    expect(given(err, 'not paid')).toEqual([{ job: 'report', trace_id: 't', err }, 'not paid'])
    expect(given(err)).toEqual([{ job: 'report', trace_id: 't', err }, undefined])
  })

  it('may have its text as the first argument or as the only argument', () => {
    const fields = { job: 'report', trace_id: 't' }
    const err = new Error('card was declined')
    expect(given('low on space')).toEqual([fields, 'low on space'])
    expect(given('not paid', err)).toEqual([{ ...fields, err }, 'not paid'])
    expect(given('paid', { amount: 3 })).toEqual([{ ...fields, amount: 3 }, 'paid'])
  })

  it('reaches the logger even if its fields throw when they are read', () => {
    const fields = { job: 'report', trace_id: 't' }
    expect(given(throwing, 'said')).toEqual([{ ...fields, fields: '[unreadable]' }, 'said'])
    expect(given(refusing, 'said')).toEqual([{ ...fields, fields: '[unreadable]' }, 'said'])
    expect(given(null, 'said')).toEqual([fields, 'said'])
  })
})
