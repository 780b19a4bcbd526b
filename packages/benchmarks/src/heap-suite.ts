import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Suite } from './suite.ts'

const program = fileURLToPath(new URL('./idle-heap.js', import.meta.url))

/** Measures the heap of each registered job while no slot is due. */
export const heapSuite: Suite = {
  name: 'heap',
  title: 'Heap per registered idle job',
  async run({ smoke }) {
    const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
    try {
      const count = smoke ? 50 : 100_000
      // croner needs a timer for each job, so the benchmark gives croner fewer jobs than Jobistemer. The smaller number
      // of jobs is enough to measure the bytes per job.
      const peers = smoke ? 50 : 2000
      const own = await bytesPerJob('jobistemer', count, join(folder, 'heap.db'))
      const croner = await bytesPerJob('croner', peers, '')
      return {
        columns: ['library', 'jobs', 'bytes per job'],
        rows: [
          ['jobistemer (SQLite)', count.toLocaleString('en-US'), own.toLocaleString('en-US')],
          ['croner', peers.toLocaleString('en-US'), croner.toLocaleString('en-US')],
        ],
        notes: ['Difference of the heap after garbage collection, each in a separate process.'],
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function bytesPerJob(library: string, count: number, file: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, library, String(count), file])
  return Number(stdout)
}
