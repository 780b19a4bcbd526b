import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { describe, it } from 'vitest'
import { storageConformance } from '../src/index.ts'

storageConformance({
  describe,
  it,
  name: 'memory',
  capabilities: { subscribe: true, findsDueJobs: true, takesNext: true },
  open() {
    const database = memoryDatabase()
    return { connect: async () => memoryStorage({ database }), dispose: async () => {} }
  },
})
