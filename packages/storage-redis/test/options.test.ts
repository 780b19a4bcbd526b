import { JobistemerError } from '@jobistemer/core'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type RedisStorageOptions, redisStorage } from '../src/index.ts'

function refused(options: unknown): JobistemerError {
  try {
    redisStorage(options as RedisStorageOptions)
  } catch (error) {
    if (JobistemerError.isInstance(error)) return error
    throw error
  }
  throw new Error('the options were accepted')
}

describe('the options of redisStorage', () => {
  const url = 'redis://localhost'

  it.each([
    [undefined, 'options'],
    [{}, 'url'],
    [{ url: 'localhost' }, 'url'],
    [{ url: 'http://localhost' }, 'url'],
    [{ url, client: {} }, 'url'],
    [{ client: {} }, 'client'],
    [{ client: 'redis://localhost' }, 'client'],
    [{ url, prefix: '' }, 'prefix'],
    [{ url, prefix: 'a{b}' }, 'prefix'],
    [{ url, prefix: 'a b' }, 'prefix'],
    [{ url, prefix: 'a*' }, 'prefix'],
    [{ url, prefix: 'a:tenant' }, 'prefix'],
    [{ url, prefix: ':' }, 'prefix'],
    [{ url, prefix: 'half-\ud83d' }, 'prefix'],
    [{ url: 'redis://localhost/jobs' }, 'url'],
    [{ url: 'redis://localhost/0#jobs' }, 'url'],
    [{ url: 'redis://localhost?keyPrefix=zz' }, 'url'],
    [{ url: 'redis://localhost/0?family=4&db=1' }, 'url'],
    [{ url, shards: 0 }, 'shards'],
    [{ url, shards: 1.5 }, 'shards'],
    [{ url, minReplicas: -1 }, 'minReplicas'],
    [{ url, waitTimeout: 5000 }, 'waitTimeout'],
    [{ url, commandTimeout: 500, minReplicas: 1 }, 'waitTimeout'],
    [{ url, logger: {} }, 'logger'],
  ])('%j are refused, and the error names the invalid option', (options, field) => {
    const error = refused(options)
    expect([error.code, error.field]).toEqual(['INVALID_ARGUMENT', field])
    expect(error.remedy).not.toBe(undefined)
  })

  it('with an unknown name are refused, and the error names the known options', () => {
    const error = refused({ url, keyPrefix: 'x' })
    expect([error.code, error.field]).toEqual(['UNKNOWN_OPTION', 'keyPrefix'])
    expect(error.message).toContain('prefix')
  })

  it('refuse a duration that cannot be parsed', () => {
    expect(refused({ url, commandTimeout: 'soon' }).code).toBe('INVALID_DURATION')
  })

  it.each([{ url: 'redis://localhost?family=6' }, { url, commandTimeout: 500 }])('%j are accepted', (options) => {
    expect(() => redisStorage(options)).not.toThrow()
  })

  it.each([
    ['a keyPrefix, because scripts would not use that prefix', new Redis({ lazyConnect: true, keyPrefix: 'app:' })],
    ['stringNumbers, because scripts answer with numbers', new Redis({ lazyConnect: true, stringNumbers: true })],
    [
      'stringNumbers among the redisOptions of a Cluster',
      new Cluster([], { lazyConnect: true, redisOptions: { stringNumbers: true } }),
    ],
  ])('refuse a client with %s', (_what, client) => {
    expect(refused({ client }).field).toBe('client')
    client.disconnect()
  })
})
