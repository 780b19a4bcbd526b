import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
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

const ask = (url: string) => {
  const storage = postgresStorage({ url, commandTimeout: 200 })
  onTestFinished(() => storage.close())
  return storage.listJobs({ limit: 1, cursor: null })
}

it('a storage closes although its server accepts connections and never answers', async () => {
  await expect(ask(await oddServer(() => {}))).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
})

it('if the server terminates a connection right after login, the call fails and the process continues', async () => {
  const ready = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', 'I')])
  const fatal = message('E', 'SFATAL\0', 'VFATAL\0', 'C57P01\0', 'Mterminating connection\0', '\0')
  const url = await oddServer((socket) => {
    // One write sends both messages, so that the client reads both before it emits an event.
    socket.once('data', () => socket.end(Buffer.concat([ready, fatal])))
  })
  await expect(ask(url)).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' })
})
