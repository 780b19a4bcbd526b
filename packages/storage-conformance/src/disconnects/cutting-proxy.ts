import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { ServerAddress } from '../storage-world.ts'

/** When the proxy breaks the connection: before the server gets a message, or after its answer to that message. */
export type CutSide = 'request' | 'answer'

/** A proxy in front of a server. It breaks one connection at a given message. */
export interface CuttingProxy {
  readonly address: ServerAddress
  /** Breaks the connection that sends the message with this number, counted from 1 over all connections from now on. */
  cutAt(message: number, side: CutSide): void
  /** Lets everything pass again. Returns whether a connection was broken. */
  stop(): boolean
  close(): Promise<void>
}

export async function startCuttingProxy(target: ServerAddress): Promise<CuttingProxy> {
  let left = 0
  let side: CutSide = 'request'
  let hasCut = false
  const ends = new Set<() => void>()
  const listener = createServer((client) => {
    const server = connect({ host: target.host, port: target.port })
    let losesAnswer = false
    const end = (): void => {
      client.destroy()
      server.destroy()
      ends.delete(end)
    }
    ends.add(end)
    client.setNoDelay(true)
    server.setNoDelay(true)
    client.on('data', (chunk) => {
      const isCut = left > 0 && --left === 0
      hasCut ||= isCut
      if (isCut && side === 'request') end()
      else {
        losesAnswer ||= isCut
        server.write(chunk)
      }
    })
    server.on('data', (chunk) => {
      if (losesAnswer) end()
      else client.write(chunk)
    })
    for (const socket of [client, server]) {
      // An error is followed by `close`.
      socket.on('error', () => {})
      socket.on('close', end)
    }
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  return {
    address: { host: '127.0.0.1', port },
    cutAt(message, at) {
      left = message
      side = at
      hasCut = false
    },
    stop() {
      left = 0
      return hasCut
    },
    async close() {
      for (const end of ends) end()
      listener.close()
      await once(listener, 'close')
    },
  }
}
