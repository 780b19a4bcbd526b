import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, it } from 'vitest'
import { storageConformance } from '../src/index.ts'
import { servedWorld } from './served/served-storage.ts'
import { furtherKind, kitEffort } from '../../workspace/test-effort.ts'

storageConformance({
  describe,
  // Always registers the cases with several processes. Other test files skip these cases unless all tests run.
  it: furtherKind(it, /^(races of processes|killed)/),
  name: 'memory, served to several processes',
  ...kitEffort(0.25),
  // The data are in the memory of this test process, so they survive the end of a child process.
  capabilities: { multiProcess: true, durability: 'process' },
  open: async () => await servedWorld(memoryStorage()),
})
