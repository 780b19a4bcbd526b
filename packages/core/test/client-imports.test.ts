import { expect, it, vi } from 'vitest'
import { createClient } from '../src/create-client.ts'
import { silentLogger } from '../src/logger.ts'
import type { Storage } from '../src/storage/storage.ts'

vi.mock('../src/engine/definitions/schedule-reviver.ts', async (original) => ({
  ...(await original<object>()),
  importTickers: () => new Promise((resolve) => setTimeout(resolve, 1200)),
}))

it('the timeout of a client’s first call does not include the import of ticker packages', async () => {
  const storage = {
    specVersion: 1,
    capabilities: { maxBatch: 100, multiProcess: false, durability: 'none', findsDueJobs: true },
    listJobs: async () => ({ items: [], cursor: null }),
    close: async () => undefined,
  } as unknown as Storage
  const client = createClient({ storage, logger: silentLogger })
  expect(await client.jobs({}, { timeout: 600 })).toMatchObject({ items: [] })
  await client.close()
})
