import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { storageConformance } from '@jobistemer/storage-conformance'
import { journalStorage } from 'custom-storage-example'

storageConformance({
  describe,
  it,
  name: 'journal',
  capabilities: { durability: 'power' },
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'journal-storage-'))
    const options = { file: join(folder, 'jobs.journal') }
    return {
      connect: async () => journalStorage(options),
      // The conformance kit kills a child process, and checks that all its acknowledged writes are stored.
      processes: {
        module: import.meta.resolve('custom-storage-example'),
        exportName: 'journalStorage',
        argument: options,
      },
      dispose: async () => await rm(folder, { recursive: true }),
    }
  },
})
