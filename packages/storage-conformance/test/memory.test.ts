import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { describe, it } from 'vitest'
import { storageConformance } from '../src/index.ts'
import { kitEffort } from '../../workspace/test-effort.ts'

storageConformance({
  describe,
  it,
  name: 'memory',
  ...kitEffort(0.25, 0.1),
  capabilities: { subscribe: true, findsDueJobs: true, takesNext: true },
  open() {
    const database = memoryDatabase()
    return { connect: async () => memoryStorage({ database }), dispose: async () => {} }
  },
})
