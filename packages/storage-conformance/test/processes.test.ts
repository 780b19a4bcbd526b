import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, it } from 'vitest'
import { storageConformance } from '../src/index.ts'
import { servedWorld } from './served/served-storage.ts'
import { furtherKind, kitEffort } from '../../workspace/test-effort.ts'

storageConformance({
  describe,
  // No other kind of the memory storage has processes.
  it: furtherKind(it, /^(races of processes|killed)/),
  name: 'memory, served to several processes',
  ...kitEffort(0.25),
  // Durable as long as the serving process lives, which no case outlives.
  capabilities: { multiProcess: true, durability: 'process' },
  open: async () => await servedWorld(memoryStorage()),
})
