import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('../dist/allocation-process.js', import.meta.url))

// The young generation, in MB: what one measured round allocates fits into it.
const flags = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128']

/** Bytes per one-task occurrence, engine and storage together: 8 % above the measurement, which varies by 3 %. */
const limits = [
  ['memory', 6200],
  ['sqlite', 5500],
] as const

test.each(limits)('one occurrence on %s allocates at most %i bytes', { timeout: 300_000 }, async (storage, limit) => {
  const folder = await mkdtemp(join(tmpdir(), 'jobistemer-allocation-'))
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...flags,
      program,
      storage,
      join(folder, 'jobs.db'),
    ])
    expect(Number(stdout)).toBeGreaterThan(100)
    expect(Number(stdout)).toBeLessThanOrEqual(limit)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
