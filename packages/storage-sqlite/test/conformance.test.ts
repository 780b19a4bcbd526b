import { storageConformance } from '@jobistemer/storage-conformance'
import { describe, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch } from './scratch.ts'
import { kitEffort } from '../../workspace/test-effort.ts'

storageConformance({
  describe,
  it,
  name: 'sqlite',
  ...kitEffort(0.25),
  capabilities: { multiProcess: true, durability: 'power', findsDueJobs: true, takesNext: true },
  open() {
    const { file, remove } = makeScratch()
    return {
      connect: async () => sqliteStorage({ file }),
      dispose: async () => remove(),
      processes: { module: new URL('./fixtures/connect.mjs', import.meta.url), argument: file },
    }
  },
})
