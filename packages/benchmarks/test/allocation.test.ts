import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { allocatedBytes } from '../src/allocation.ts'

/**
 * Maximum number of bytes per one-task occurrence, in engine and storage together: 8 % above the measured number, which
 * varies by 3 %.
 */
const limits = [
  ['memory', 6200],
  ['sqlite', 5500],
] as const

test.each(limits)(
  'a benchmarked occurrence on the storage %s allocates at most %i bytes',
  { timeout: 300_000 },
  async (storage, limit) => {
    const folder = await mkdtemp(join(tmpdir(), 'jobistemer-allocation-'))
    try {
      const bytes = await allocatedBytes(storage, join(folder, 'jobs.db'))
      expect(bytes).toBeGreaterThan(100)
      expect(bytes).toBeLessThanOrEqual(limit)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
)
