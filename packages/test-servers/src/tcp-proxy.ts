import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between clients and a server, and spoils what passes through. */
export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Everything passes: the state at first. */
  heal(): void
  /** Ends all connections, and refuses new ones. */
  cut(): void
  /** Requests reach the server; no answer comes back any more, and the connections stay open. */
  loseAnswers(): void
  /** Ends all connections once, after the server has got what is on its way; new ones pass. */
  breakConnections(): void
  /** The connections that there are stay open, and nothing passes through them any more, in no direction; new ones pass. */
  freezeConnections(): void
  /** Every answer comes so much later. */
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
      // Not destroyed: what the client has sent goes on to the server, only the answer finds nobody.
      server.end()
    }
    pairs.clear()
  }
  const listener = createServer((client) => {
    if (state === 'cut') {
      client.destroy()
      return
    }
    // Not the target as a whole: of a server that is down, the rest of it cannot be read.
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
      // An error is followed by `close`, which is all that the other side has to know.
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
      // A connection that has lost an answer is out of step with its server.
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
