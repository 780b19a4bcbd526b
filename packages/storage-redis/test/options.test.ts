import { JobistemerError } from '@jobistemer/core'
import { Redis } from 'ioredis'
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

describe('options', () => {
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
    [{ url, shards: 0 }, 'shards'],
    [{ url, shards: 1.5 }, 'shards'],
    [{ url, minReplicas: -1 }, 'minReplicas'],
    [{ url, waitTimeout: 5000 }, 'waitTimeout'],
    [{ url, logger: {} }, 'logger'],
  ])('%j is refused, and the error names what is wrong', (options, field) => {
    const error = refused(options)
    expect([error.code, error.field]).toEqual(['INVALID_ARGUMENT', field])
    expect(error.remedy).not.toBe(undefined)
  })

  it('the storage refuses an unknown option, and names the known ones', () => {
    const error = refused({ url, keyPrefix: 'x' })
    expect([error.code, error.field]).toEqual(['UNKNOWN_OPTION', 'keyPrefix'])
    expect(error.message).toContain('prefix')
  })

  it('a duration that is none is refused', () => {
    expect(refused({ url, commandTimeout: 'soon' }).code).toBe('INVALID_DURATION')
  })

  it('a client with a keyPrefix is refused: the scripts could not tell their keys', () => {
    const client = new Redis({ lazyConnect: true, keyPrefix: 'app:' })
    expect(refused({ client }).field).toBe('client')
    client.disconnect()
  })
})
