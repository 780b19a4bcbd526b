import { randomUUID } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { postgresStorage } from '@jobistemer/storage-postgres'
import type { Ledger } from './ledger.ts'
import { checkServer, withoutPassword } from './user-server.ts'

/** Keeps the ledger in a new schema of a PostgreSQL database. */
export const postgres: Ledger = {
  async prepare({ folder, server }) {
    if (server !== null) {
      const name = `jobistemer_demo_${randomUUID().slice(0, 8)}`
      const location = { address: server, name }
      await checkServer('--postgres-url', server, postgres.open(location))
      return { location, description: `at ${withoutPassword(server)}, schema ${name}`, stop: async () => {} }
    }
    // Only the demo's own process starts a server. The workers need not load the package that starts servers.
    const { startPostgres } = await import('@jobistemer/test-servers')
    const directory = join(folder, 'postgres')
    // PostgreSQL refuses to run as root, so another user runs PostgreSQL and needs access to the folder.
    if (process.getuid?.() === 0) chmodSync(folder, 0o711)
    const own = await startPostgres({ directory, ownGroup: true })
    return {
      location: { address: own.url, name: 'jobistemer_demo' },
      description: `process ${own.pid} at ${own.url}, in ${directory}`,
      stop: () => own.stop(),
    }
  },
  open({ address, name }) {
    return postgresStorage({ url: address, schema: name })
  },
}
