import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { ServerAddress } from '../storage-world.ts'

/**
 * The moment at which the proxy breaks the connection. `request`: before the server receives the message. `answer`: after the
 * server has answered the message.
 */
export type CutSide = 'request' | 'answer'

/** A proxy in front of a database server. The proxy breaks one connection at a chosen message. */
export interface CuttingProxy {
  readonly address: ServerAddress
  /**
   * Breaks the connection that sends the n-th message from now on, where n is `message`. Counts the messages of all
   * connections.
   */
  cutAt(message: number, side: CutSide): void
  /** Stops breaking connections. Returns whether the proxy has broken a connection. */
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
      // Ignores socket errors, because the event `close` follows.
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
