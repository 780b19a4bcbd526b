import { join } from 'node:path'
import { postgresStorage } from '@jobistemer/storage-postgres'
import type { Ledger } from './ledger.ts'
import { PGliteClient } from './pglite-client.ts'

/**
 * A PGlite: PostgreSQL as a library, without a server. It lives inside one process, which is the demo's own here; the
 * nodes reach it through a socket.
 */
export const pglite: Ledger = {
  async prepare({ folder }) {
    // Workers open what is there: they need not load this.
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
