import type { PostgresServer } from '@jobistemer/test-servers'
import { type ProxiedProcess, ProxiedServer } from './proxied-server.ts'
import type { StorageKind } from './storage-kind.ts'

// The limit of 300 connections covers the pools of many nodes, and broken connections that the server has not noticed yet.
const config = { max_connections: '300' }

/** A private PostgreSQL behind a proxy, with its default durability. */
export const postgres: StorageKind = {
  usualSkewMinutes: 5,
  secondsPerKill: 0.6,
  slowdown: 1,
  intervals: { pollInterval: 200, deadAfter: 1500 },
  async prepare() {
    const { startPostgres, startTcpProxy } = await import('@jobistemer/test-servers')
    // The data are in a separate folder, not in the folder of the run. If root starts PostgreSQL, it runs as another
    // user, who cannot access the folder of the run.
    const server = await startPostgres({ config })
    const proxy = await startTcpProxy(server)
    const { makePostgresRows } = await import('../rows/postgres-rows.ts')
    await makePostgresRows(server.url)
    const proxied = new PostgresBehindProxy(server, { server, proxy })
    const location = `postgres://postgres@${proxy.host}:${proxy.port}/postgres`
    return { location, server: proxied, stop: () => proxied.stop() }
  },
  async open(location) {
    const { postgresStorage } = await import('@jobistemer/storage-postgres')
    return postgresStorage({ url: location, schema: 'torture' })
  },
  async openRows(location) {
    const { PostgresRows } = await import('../rows/postgres-rows.ts')
    return new PostgresRows(location)
  },
}

/**
 * Breaks connections in two ways, which alternate from call to call:
 *
 * - The server ends its processes for the connections.
 * - The proxy breaks the connections.
 */
class PostgresBehindProxy extends ProxiedServer {
  readonly #server: PostgresServer
  #breaks = 0

  constructor(server: PostgresServer, process: ProxiedProcess) {
    super([process])
    this.#server = server
  }

  override async breakConnections(): Promise<void> {
    if (this.#breaks++ % 2 === 0) await terminateAll(this.#server)
    else await super.breakConnections()
  }
}

async function terminateAll({ url }: PostgresServer): Promise<void> {
  const { default: pg } = await import('pg')
  const client = new pg.Client(url)
  try {
    await client.connect()
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
  } finally {
    await client.end()
  }
}
