import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { createClient, JobistemerError, printValue } from '../src/index.ts'
import { guardedLogger, stderrLogger } from '../src/logger.ts'
import { maskAddress, maskSecrets } from '../src/storage/index.ts'

/** Returns everything that a logger may print of an error. */
const everythingOf = (error: unknown): string =>
  inspect(error, { depth: 20, showHidden: true, maxStringLength: null }) + JSON.stringify(error) + String(error)

/** Returns what the default logger writes. */
function logged(log: (logger: typeof stderrLogger) => void): string {
  const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  log(guardedLogger(stderrLogger))
  const text = spy.mock.calls.map(([line]) => String(line)).join('')
  spy.mockRestore()
  return text
}

const schemes = ['postgres', 'postgresql', 'postgres+ssl', 'mysql2', 'redis', 'rediss', 'mongodb+srv', 'amqp', 'HTTPS']
const word = fc.stringMatching(/^[a-z]{1,8}$/)
/**
 * Generates a password of two secret parts, and the parts themselves. Between the parts stands one of `separators`, or nothing.
 */
const password = (separators: string) =>
  fc
    .tuple(fc.stringMatching(/^[a-z\d]{6}$/), fc.constantFrom(...separators, ''), fc.stringMatching(/^[a-z\d]{6}$/))
    .map(([one, between, other]) => ({ parts: [`Sx${one}`, `Sy${other}`], text: `Sx${one}${between}Sy${other}` }))
const around = fc.constantFrom(
  (text: string) => text,
  (text: string) => `  ${text}`,
  (text: string) => `\n\t${text} `,
  (text: string) => `"${text}"`,
  (text: string) => `'${text}'`,
  (text: string) => `DATABASE_URL=${text}`,
  (text: string) => `export REDIS_URL="${text}"`,
)
const place = fc.record({
  scheme: fc.constantFrom(...schemes),
  user: word,
  host: word,
  port: fc.integer({ min: 1, max: 65_535 }),
  base: word,
})

/** Generates a connection string, together with the two secret parts of its password. */
const connection = fc.oneof(
  fc
    .tuple(place, password(`@#/?&=:%+ "'\\`), fc.boolean())
    .map(([{ scheme, user, host, port, base }, { parts, text }, isEncoded]) => {
      const shown = isEncoded ? encodeURIComponent(text) : text
      return { parts, text: `${scheme}://${user}:${shown}@${host}:${port}/${base}?sslmode=require` }
    }),
  fc
    .tuple(place, password('#/?:'))
    .map(([{ scheme, host }, { parts, text }]) => ({ parts, text: `${scheme}://:${text}@${host}` })),
  fc
    .tuple(place, password('%.-_'))
    .map(([{ scheme, host }, { parts, text }]) => ({ parts, text: `${scheme}://${text}@${host}` })),
  fc
    .tuple(place, password('%.-_~'), fc.constantFrom('password', 'sslpassword', 'token', 'PGPASSWORD', 'api_key'))
    .map(([{ scheme, host, base }, { parts, text }, name]) => ({
      parts,
      text: `${scheme}://${host}/${base}?application_name=x&${name}=${text}`,
    })),
  fc
    .tuple(place, password('#?:%'))
    .map(([{ user, host }, { parts, text }]) => ({ parts, text: `postgres:${user}:${text}@${host}` })),
)

const options = { numRuns: byEffort(300, 100) }

describe('the password in a connection string', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('appears in no message, value or printed form of an error', () => {
    fc.assert(
      fc.property(connection, around, ({ parts, text }, wrap) => {
        const given = wrap(text)
        const errors = [given, { storage: given }, [given], { nested: { list: [{ url: given }] } }].map(
          (value) =>
            new JobistemerError('INVALID_ARGUMENT', {
              message: `storage is no storage: ${printValue(value)}.`,
              field: 'storage',
              value,
            }),
        )
        for (const shown of [maskSecrets(given), ...errors.map(everythingOf)]) {
          for (const part of parts) expect(shown).not.toContain(part)
        }
      }),
      options,
    )
  })

  it('is masked in the messages of database drivers', () => {
    fc.assert(
      fc.property(connection, ({ parts, text }) => {
        const error = new JobistemerError('STORAGE_FAILED', { message: `Cannot reach ${text}, connect ECONNREFUSED.` })
        for (const part of parts) expect(everythingOf(error)).not.toContain(part)
      }),
      options,
    )
  })

  it('appears in no line of the default logger', () => {
    fc.assert(
      fc.property(connection, around, ({ parts, text }, wrap) => {
        const given = wrap(text)
        const lines = logged(({ error, warn }) => {
          warn(
            { url: given, options: { storage: given }, err: new Error(`Cannot reach ${text}`) },
            `Cannot reach ${text}`,
          )
          error(new Error('no', { cause: new Error(`Cannot reach ${text}`) }), given)
        })
        for (const part of parts) expect(lines).not.toContain(part)
      }),
      options,
    )
  })
})

describe('a secret', () => {
  it('does not appear in the error if it is passed in place of a storage', () => {
    try {
      createClient({ storage: 'redis://admin:hunter2@localhost' as never })
      expect.fail('the storage was accepted')
    } catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect(everythingOf(error)).not.toContain('hunter2')
    }
  })

  it('is masked in values if its field name says that it is a secret, for example `token`', () => {
    const values = [
      ['tokens', ['hunter2-of-24-characters']],
      ['token', 'hunter2'],
      ['clientOptions', { password: 'hunter2', host: 'h' }],
      ['options', { auth: { apiKey: 'hunter2' } }],
      [
        'client',
        new (class Client {
          readonly options = { password: 'hunter2' }
        })(),
      ],
    ] as const
    for (const [field, value] of values) {
      const error = new JobistemerError('UNKNOWN_OPTION', {
        message: `${field} is unknown: ${printValue(value)}.`,
        field,
        value,
      })
      // The error masks `error.value`, because `field` names a secret option. Check only this value, not the message.
      // `printValue` makes the text of a message, and does not get the name of the option. So the code must never print the
      // value of a secret option in a message.
      expect([field, everythingOf({ value: error.value })]).not.toEqual([field, expect.stringContaining('hunter2')])
    }
  })
})

it.each([
  ['https://h/p#token', 'https://***'],
  ['redis://us/er:p', 'redis://***'],
  ['redis://:my secret', 'redis://***'],
  ['redis://: secret', 'redis://***'],
  ['redis://h:6379?password=x y', 'redis://h:6379?***'],
  ['postgres://u:p\nw@h/db', 'postgres://***'],
])('a text that is only an address shows no part that may be a secret: %j', (address, masked) => {
  expect(maskSecrets(address)).toBe(masked)
})

it('the time to mask secrets in a text grows linearly with the length of the text', () => {
  // Measures processor time, because a busy machine may stop the process for seconds.
  const took = (text: string): number => {
    const begun = process.cpuUsage()
    maskSecrets(text)
    const { user, system } = process.cpuUsage(begun)
    return (user + system) / 1000
  }
  for (const part of ['a://', 'a:b:', ' ', '"', 'a=', 'token ', 'token:', '@', 'x://a@', 'ab', '***@a?', 'a://b:']) {
    expect([part, took(part.repeat(100_000 / part.length)) < 2000]).toEqual([part, true])
  }
  expect(took(`https://h/?q=${' '.repeat(100_000)}x`)).toBeLessThan(2000)
})

describe('a value without a secret', () => {
  it.each([
    'redis://localhost:6379/0',
    'postgres://localhost/jobs',
    'https://example.com/docs',
    'sqlite:jobs.db',
    'dynamodb:jobs?region=eu-central-1',
    'dynamodb:TABLE?region=eu-central-1&endpoint=http://localhost:8000',
    'expression is none: "@daily".',
    'Cannot find package "@jobistemer/core" imported from file:///app/node_modules/.pnpm/pg@8/index.js:10:5',
    'node:internal/modules/run_main:98:12',
    'at 2026-01-02T02:00:00.000Z, jobs@example.com',
    'token is too short, or has characters that do not fit into a link.',
    '{"fencingToken":12,"token":3}',
    'nightly: report 12:30:00 @ home',
    'file:///app/node_modules/@acme/jobs/report.js:3',
    'file:///C:/app/report.js',
    'http://localhost:3000/a: ECONNREFUSED',
    'url does not begin with postgres:// or postgresql://: "localhost:5432". Write one that does.',
  ])('is printed unchanged: %s', (text) => {
    expect(maskSecrets(text)).toBe(text)
  })

  it('is kept if it is the scheme, host, port or database of an address', () => {
    expect(maskAddress('postgres://joe:pw@db.example.com:5432/jobs?password=x')).toBe(
      'postgres://***@db.example.com:5432/jobs?***',
    )
    expect(maskAddress('redis://:p#w@localhost')).toBe('redis://***')
    for (const text of ['redis://***@h:1/0', 'redis://***', 'postgres://***@h/d?***'])
      expect(maskAddress(text)).toBe(text)
  })

  it('is unchanged in the member `value` of an error', () => {
    const value = { schedule: { type: 'cron' }, names: ['a', 'b@c'] }
    expect(new JobistemerError('INVALID_ARGUMENT', { message: 'm', value }).value).toBe(value)
  })
})
