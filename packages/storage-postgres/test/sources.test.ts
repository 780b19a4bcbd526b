import { expect, it } from 'vitest'
import type { PostgresPool } from '../src/index.ts'
import { ClientSource, PoolSource } from '../src/source.ts'

const never = new Promise<never>(() => {})

it('a connection returns to its pool only if no statement can still run on it and its server takes writes', async () => {
  const released: (boolean | Error | undefined)[] = []
  const pool: PostgresPool = {
    connect: async () => ({ query: async () => ({ rows: [] }), release: (broken) => void released.push(broken) }),
  }
  const source = new PoolSource(pool, 'here', null)
  const failures = [
    new Error('Query read timeout'),
    new Error('odd'),
    Object.assign(new Error('odd'), { code: 'ERR_ODD' }),
    Object.assign(new Error('injected'), { code: '25P04' }),
    Object.assign(new Error('injected'), { code: '25006' }),
    Object.assign(new Error('injected'), { code: '25P02' }),
    Object.assign(new Error('injected'), { code: '0A000' }),
    Object.assign(new Error('injected'), { code: '22012' }),
    new TypeError('a value that the driver does not take'),
  ]
  for (const error of failures) {
    await expect(source.use(() => Promise.reject(error), never)).rejects.toBe(error)
  }
  expect(released).toEqual([...failures.slice(0, -2), undefined, undefined])
})

it('ClientSource closes although the server never answers its last statement', async () => {
  const source = new ClientSource({ query: () => never }, 'here')
  const expired = Promise.reject(new Error('expired'))
  await expect(source.use((connection) => connection.query('SELECT'), expired)).rejects.toThrow('expired')
  await expect(source.close()).resolves.toBeUndefined()
})

it('ClientSource sends no statement of a step before the server has answered the last statement of the previous transaction', async () => {
  const sent: string[] = []
  /**
   * Statements that get no answer in time. Each entry applies to one statement. In place of the missing answer, the driver of
   * this test throws an error.
   */
  const silent = ['UPDATE', 'ROLLBACK', 'ROLLBACK']
  const query = async (text: string) => {
    sent.push(text.replace(/ .*/, ''))
    const place = silent.indexOf(text)
    if (place < 0) return { rows: [] }
    silent.splice(place, 1)
    throw new Error('Query read timeout')
  }
  const source = new ClientSource({ query }, 'here')
  const write = () => source.transaction((connection) => connection.query('UPDATE'), never)
  const read = () => source.use((connection) => connection.query('SELECT'), never)
  for (const call of [write, read, read]) await expect(call()).rejects.toThrow('Query read timeout')
  await write()
  await read()
  expect(sent).toEqual(['BEGIN', 'UPDATE', 'ROLLBACK', 'ROLLBACK', 'ROLLBACK', 'BEGIN', 'UPDATE', 'COMMIT', 'SELECT'])
})
