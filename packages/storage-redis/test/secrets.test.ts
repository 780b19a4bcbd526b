import { inspect } from 'node:util'
import { JobistemerError } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { type RedisStorageOptions, redisStorage } from '../src/index.ts'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, open } = useServers()

/** Returns everything that a logger may print of an error. */
function everythingOf(error: JobistemerError): string {
  return inspect(error, { depth: 20, showHidden: true, maxStringLength: null }) + JSON.stringify(error)
}

function refused(options: unknown): JobistemerError {
  try {
    redisStorage(options as RedisStorageOptions)
  } catch (error) {
    if (JobistemerError.isInstance(error)) return error
    throw error
  }
  throw new Error('the options were accepted')
}

describe('the error for a refused Redis address shows no password', () => {
  it.each([
    'redis://:hunter2@localhost:port',
    'redis://:hunter2@localhost:99999',
    'redis://admin:hunter2@',
    'redis://:hunter2',
    'redis:/:hunter2@localhost',
    'redis//:hunter2@localhost',
    'redi://admin:hunter2@localhost',
    'http://admin:hunter2@localhost',
    'hunter2:6379@localhost',
    'admin:hunter2@localhost:6379',
    'default:hunter2',
    '//admin:hunter2@localhost',
    ' redis://admin:hunter2@local host',
    'redis://admin:hunter2#@localhost',
    'redis://admin:12#hunter2@localhost',
    'redis://admin:12/hunter2@localhost',
    'redis://admin:12?hunter2@localhost',
    'redis://admin:hunter2%@localhost',
    'redis://localhost/?password=hunter2#x',
  ])('if the address is %s', (url) => {
    const error = refused({ url })
    expect([error.code, error.field]).toEqual(['INVALID_ARGUMENT', 'url'])
    expect(error.message).toContain('***')
    expect(everythingOf(error)).not.toContain('hunter2')
    if (url.startsWith('redis://')) expect(error.value).toMatch(/^redis:\/\/\*\*\*(@(localhost(:99999)?)?)?$/)
  })

  it.each<[what: string, options: unknown]>([
    ['as a URL', { url: new URL('http://admin:hunter2@localhost') }],
    ['beside a client', { url: 'redis://:hunter2@localhost', client: {} }],
    ['in place of a client', { client: 'redis://:hunter2@localhost' }],
    ['among the settings of a client', { client: { host: 'localhost', password: 'hunter2' } }],
    ['as an object', { url: { host: 'localhost', password: 'hunter2' } }],
    ['in place of the options', 'redis://:hunter2@localhost'],
    ['as another option', { uri: 'redis://:hunter2@localhost' }],
    ['as an option of its own', { url: 'redis://localhost', password: 'hunter2' }],
    ['in settings of its own', { redis: { password: 'hunter2' } }],
  ])('if the password is given %s', (_what, options) => {
    expect(everythingOf(refused(options))).not.toContain('hunter2')
  })

  it('and shows the address if the address contains no password', () => {
    expect(refused({ url: 'localhost:6379' }).message).toContain('"localhost:6379"')
    expect(refused({ url: 'http://localhost' }).message).toContain('"http://localhost"')
  })
})

it('no Redis error contains the password, whether the server refuses the password or is unreachable', async () => {
  const server = await start({ requirepass: 'right' })
  const url = server.url.replace('right', 'hunter2')
  const wrong = await refusal(open({ url }).get({}))
  expect(wrong.code).toBe('STORAGE_UNREADABLE')
  expect(everythingOf(wrong)).not.toContain('hunter2')
  await server.kill()
  const away = await refusal(open({ url }).get({}))
  expect(away.code).toBe('STORAGE_UNREACHABLE')
  expect(everythingOf(away)).not.toContain('hunter2')
})
