import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { JobistemerError } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { expect, it, onTestFinished } from 'vitest'
import { postgresStorage } from '../src/index.ts'

/** Starts a TCP server that does not follow the protocol of PostgreSQL. Returns its URL. */
async function oddServer(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return `postgres://me@127.0.0.1:${(server.address() as AddressInfo).port}/mine`
}

/** Encodes a message of PostgreSQL's wire protocol. */
function message(type: string, ...parts: readonly (string | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function storageOf(url: string, commandTimeout: number): Storage {
  const storage = postgresStorage({ url, commandTimeout })
  onTestFinished(() => storage.close())
  return storage
}

const ask = (url: string, commandTimeout = 200) => storageOf(url, commandTimeout).listJobs({ limit: 1, cursor: null })

/** A `commandTimeout` in ms that the answers of a server do not exceed on a busy machine. */
const patient = 50_000

it('a storage closes although its server accepts connections and never answers', async () => {
  await expect(ask(await oddServer(() => {}))).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
})

it('calls that wait for a connection until their time limit end as STORAGE_BUSY', async () => {
  const url = await oddServer(() => {})
  // The calls start at different instants, because the order of two timers depends on fractions of a millisecond.
  const calls = Array.from({ length: 200 }, async () => {
    await setTimeout(Math.random() * 300)
    return await ask(url).catch((error: JobistemerError) => error.code)
  })
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['STORAGE_BUSY']))
})

it('a url without the password that the server needs makes calls reject with STORAGE_UNREADABLE', async () => {
  // The server asks for a SCRAM login, and then sends its first message of that login.
  const answers = [message('R', Buffer.from([0, 0, 0, 10]), 'SCRAM-SHA-256\0\0')]
  answers.push(message('R', Buffer.from([0, 0, 0, 11]), 'r=nonce,s=c2FsdA==,i=4096'))
  const url = await oddServer((socket) => void socket.on('data', () => socket.write(answers.shift() ?? '')))
  await expect(ask(url, patient)).rejects.toMatchObject({
    code: 'STORAGE_UNREADABLE',
    message: expect.stringContaining('client password must be a string'),
  })
})

it('if the server terminates a connection right after login, the call fails and the process continues', async () => {
  const ready = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', 'I')])
  const fatal = message('E', 'SFATAL\0', 'VFATAL\0', 'C57P01\0', 'Mterminating connection\0', '\0')
  const url = await oddServer((socket) => {
    // One write sends both messages, so that the client reads both before it emits an event.
    socket.once('data', () => socket.end(Buffer.concat([ready, fatal])))
  })
  await expect(ask(url, patient)).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' })
})
