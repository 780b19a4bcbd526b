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
  capabilities: { durability: 'power', findsDueJobs: true, takesNext: true },
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'journal-storage-'))
    const options = { file: join(folder, 'jobs.journal') }
    return {
      connect: async () => journalStorage(options),
      // With this module, the conformance kit opens the storage in a child process. The kit kills the child. The kit then
      // checks that all writes are stored that the storage has acknowledged to the child.
      processes: {
        module: import.meta.resolve('custom-storage-example'),
        exportName: 'journalStorage',
        argument: options,
      },
      dispose: async () => await rm(folder, { recursive: true }),
    }
  },
})
