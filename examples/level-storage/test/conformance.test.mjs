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
    return {
      connect: async () => levelStorage({ folder: join(folder, 'jobs') }),
      dispose: async () => await rm(folder, { recursive: true }),
    }
  },
})
