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
      // The conformance kit kills a child process, and checks that all its acknowledged writes are stored.
      processes: {
        module: new URL('../src/level-storage.js', import.meta.url),
        exportName: 'levelStorage',
        argument: options,
      },
      dispose: async () => await rm(folder, { recursive: true }),
    }
  },
})
