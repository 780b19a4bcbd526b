import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storageConformance } from '@jobistemer/storage-conformance'
import { levelStorage } from 'level-storage-example'
import { describe, it } from 'vitest'

storageConformance({
  describe,
  it,
  name: 'level',
  capabilities: { durability: 'power' },
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'level-storage-'))
    const options = { folder: join(folder, 'jobs') }
    return {
      connect: async () => levelStorage(options),
      // With this module, the conformance kit opens the storage in a child process. The kit kills the child. The kit then
      // checks that all writes are stored that the storage has acknowledged to the child.
      processes: {
        module: new URL('../src/level-storage.js', import.meta.url),
        exportName: 'levelStorage',
        argument: options,
      },
      dispose: async () => await rm(folder, { recursive: true }),
    }
  },
})
