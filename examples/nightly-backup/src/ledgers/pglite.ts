import { join } from 'node:path'
import { postgresStorage } from '@jobistemer/storage-postgres'
import type { Ledger } from './ledger.ts'
import { PGliteClient } from './pglite-client.ts'

/**
 * Keeps the ledger in PGlite: PostgreSQL as a library, without a server. The demo's own process runs PGlite, and the
 * nodes reach it through a socket.
 */
export const pglite: Ledger = {
  async prepare({ folder }) {
    // Only the demo's own process runs PGlite. The workers need not load the module that starts PGlite.
    const { hostPGlite } = await import('./pglite-host.ts')
    const directory = join(folder, 'pglite')
    const host = await hostPGlite(directory)
    return {
      location: { address: String(host.port), name: 'jobistemer_demo' },
      description: `inside this process, for nodes on port ${host.port}, in ${directory}`,
      stop: () => host.stop(),
    }
  },
  open({ address, name }) {
    const client = new PGliteClient(Number(address))
    const storage = postgresStorage({ client, schema: name })
    const close = storage.close.bind(storage)
    return Object.assign(storage, {
      async close() {
        await close()
        client.close()
      },
    })
  },
}
