import { JobistemerError } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { isBroken, isContention, isHeld, isNoTransaction, storageError } from '../src/postgres-errors.ts'

const withCode = (code: string, message = 'injected') => Object.assign(new Error(message), { code })

describe('a PostgreSQL connection counts as broken', () => {
  it.each(['08006', '57P01', '25P03', '25P04', 'ECONNRESET', 'EPIPE'])('if an error has the code %s', (code) => {
    expect(isBroken(withCode(code))).toBe(true)
    expect(storageError(withCode(code), 'here')).toMatchObject({ code: 'STORAGE_UNREACHABLE' })
  })

  it.each(['Query read timeout', 'Connection terminated unexpectedly', 'timeout exceeded when trying to connect'])(
    'if the driver’s error is: %s',
    (message) => {
      const error = storageError(new Error(message), 'here')
      expect(error).toMatchObject({
        code: 'STORAGE_UNREACHABLE',
        remedy: expect.stringContaining('may have taken effect'),
      })
      expect(isBroken(new Error('Failed query', { cause: new Error(message) }))).toBe(true)
    },
  )

  it('only if its error has no SQLSTATE of the server', () => {
    expect(isBroken(withCode('22P02', 'Query read timeout'))).toBe(false)
    expect(isBroken(withCode('P0001', 'connection closed'))).toBe(false)
    expect(isBroken('connection closed')).toBe(false)
  })
})

it('a certificate error is permanent, and a network error during the TLS handshake is not', () => {
  for (const code of [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ]) {
    expect(storageError(withCode(code), 'here')).toMatchObject({ code: 'STORAGE_UNREADABLE' })
  }
  for (const error of [
    withCode('ECONNRESET', 'Client network socket disconnected before secure TLS connection was established'),
    new Error('There was an error establishing an SSL connection'),
    withCode('EPROTO'),
  ]) {
    expect(storageError(error, 'here').code).not.toBe('STORAGE_UNREADABLE')
  }
})

it('the remedy in a storage error states that nothing was stored, but only if the server has answered the call', () => {
  const { remedy } = storageError(withCode('22012'), 'here')
  expect(remedy).toContain('Nothing of the call was stored')
  for (const error of [new Error('odd'), new TypeError('odd'), withCode('ERR_ODD'), withCode('P2028'), 'odd', null]) {
    const found = storageError(error, 'here')
    expect(found).toMatchObject({ code: 'STORAGE_FAILED', remedy: expect.stringContaining('may have taken effect') })
    expect(`${found.message} ${found.remedy}`).not.toContain('Nothing')
  }
})

it('storageError finds the SQLSTATE of a driver error inside the errors that libraries put around it', () => {
  const driver = withCode('40001')
  for (const error of [
    new Error('Failed query', { cause: driver }),
    Object.assign(withCode('P2010'), { meta: { code: '40001', message: 'injected' } }),
    Object.assign(withCode('P2010'), { meta: { driverAdapterError: { cause: { originalCode: '40001' } } } }),
    withCode('P2034'),
  ]) {
    expect(isContention(error)).toBe(true)
    expect(storageError(error, 'here')).toMatchObject({ code: 'STORAGE_BUSY', message: expect.stringMatching('40001') })
  }
  expect(isNoTransaction(Object.assign(withCode('P2010'), { meta: { code: '25P01' } }))).toBe(true)
})

it('storageError ignores the causes of a JobistemerError, and stops at circular causes', () => {
  const known = new JobistemerError('STORAGE_BUSY', {
    message: 'm',
    field: 'f',
    value: 1,
    remedy: 'r',
    cause: withCode('55P03'),
  })
  expect(isHeld(known)).toBe(false)
  const circle = new Error('round')
  circle.cause = circle
  expect(isBroken(circle)).toBe(false)
})
