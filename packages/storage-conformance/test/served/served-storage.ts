import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Storage } from '@jobistemer/core/storage'
import type { StorageWorld } from '../../src/index.ts'

type Method = Exclude<keyof Storage, 'specVersion' | 'capabilities' | 'serverTime' | 'subscribe' | 'within' | 'close'>

/**
 * Serves a storage of this process over a socket, so that several processes can use it. Every connection, also one of
 * this process, is a client of the socket.
 */
export async function servedWorld(storage: Storage): Promise<StorageWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'served-storage-'))
  const path = join(folder, 'socket')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const lines = createInterface({ input: socket })
    // Ignores errors of the socket and of the line reader: a killed client resets the connection.
    for (const emitter of [socket, lines]) emitter.on('error', () => {})
    lines.on('line', (line) => {
      const { number, method, request } = JSON.parse(line) as { number: number; method: Method; request: never }
      storage[method](request).then(
        (answer) => socket.write(`${JSON.stringify({ number, answer })}\n`),
        (error: unknown) => socket.write(`${JSON.stringify({ number, error: String(error) })}\n`),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const module = new URL('./connect.mjs', import.meta.url)
  const { connect } = (await import(module.href)) as { connect: (argument: unknown) => Promise<Storage> }
  return {
    connect: async () => await connect({ path }),
    async dispose() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await storage.close()
      await rm(folder, { recursive: true })
    },
    processes: { module, argument: { path } },
  }
}
