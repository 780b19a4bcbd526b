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
    return {
      connect: async () => journalStorage({ file: join(folder, 'jobs.journal') }),
      dispose: async () => await rm(folder, { recursive: true }),
    }
  },
})
