import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

const program = `
import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'

async function main() {
  const job = defineJob({ name: 'report', tasks: [{ name: 'work', run: () => console.log('ran') }] })
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], logger: silentLogger })
  await scheduler.start()
  const { id } = await scheduler.trigger('report')
  await scheduler.waitFor(id)
  await scheduler.shutdown()
}
void main()
`

it.each(/** @type {const} */ (['esm', 'cjs']))(
  'a program that is bundled with core as %s runs a job',
  async (format) => {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-bundle-'))
    try {
      const outfile = join(folder, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs')
      const resolveDir = new URL('../../scenarios', import.meta.url).pathname
      // In a CommonJS bundle, esbuild leaves `import.meta.url` empty, and warns.
      const options = /** @type {const} */ ({ bundle: true, platform: 'node', logLevel: 'error' })
      await build({ ...options, format, outfile, stdin: { contents: program, resolveDir } })
      expect((await promisify(execFile)(process.execPath, [outfile])).stdout).toBe('ran\n')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
