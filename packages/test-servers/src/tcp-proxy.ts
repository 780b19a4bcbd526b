import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A proxy between clients and a server. The proxy can disturb the connections between them. */
export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Ends all disturbances: all traffic passes, as at the start. */
  heal(): void
  /** Ends all connections, and refuses new connections. */
  cut(): void
  /** From now on, drops the server's answers. Requests still reach the server, and connections stay open. */
  loseAnswers(): void
  /**
   * Ends all connections once. The server still receives the requests that are on their way. New connections succeed.
   */
  breakConnections(): void
  /** Existing connections stay open, but no data pass in either direction. New connections succeed. */
  freezeConnections(): void
  /** Delays every answer by `ms`. */
  delay(ms: number): void
  close(): Promise<void>
}

export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const frozen = new WeakSet<readonly [Socket, Socket]>()
  let state: 'open' | 'cut' | 'mute' = 'open'
  let delayMs = 0
  const breakConnections = () => {
    for (const [client, server] of pairs) {
      client.destroy()
      // Ends the connection instead of destroying it, so that pending requests still reach the server.
      server.end()
    }
    pairs.clear()
  }
  const listener = createServer((client) => {
    if (state === 'cut') {
      client.destroy()
      return
    }
    // Reads only `host` and `port` of the target. If the target is a stopped server, the getters of all other fields
    // throw.
    const server = connect({ host: target.host, port: target.port })
    const pair = [client, server] as const
    pairs.add(pair)
    client.setNoDelay(true)
    server.setNoDelay(true)
    client.on('data', (chunk) => frozen.has(pair) || server.write(chunk))
    server.on('data', (chunk) => {
      if (state === 'mute' || frozen.has(pair)) return
      if (delayMs === 0) client.write(chunk)
      else setTimeout(() => client.destroyed || client.write(chunk), delayMs)
    })
    for (const [one, other] of [pair, [server, client] as const]) {
      // The event `close` follows each error. The listener of `close` ends the other connection of the pair.
      one.on('error', () => {})
      one.on('close', () => {
        pairs.delete(pair)
        other.end()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  return {
    host: '127.0.0.1',
    port,
    heal() {
      state = 'open'
      delayMs = 0
      // A connection that has lost an answer would match later answers to wrong requests, so all connections end here.
      breakConnections()
    },
    cut() {
      state = 'cut'
      breakConnections()
    },
    loseAnswers() {
      state = 'mute'
    },
    breakConnections,
    freezeConnections() {
      for (const pair of pairs) frozen.add(pair)
    },
    delay(ms) {
      delayMs = ms
    },
    async close() {
      state = 'cut'
      breakConnections()
      listener.close()
      await once(listener, 'close')
    },
  }
}
