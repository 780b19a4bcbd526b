import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(new URL('../dist/allocation-process.js', import.meta.url))

// Flags that set V8's young generation to 128 MB, so that the allocations of a measured round fit into it. V8 also optimizes
// code without background threads: on a busy machine these threads are late, and code that is not optimized allocates more.
const flags = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128', '--no-concurrent-recompilation']

/** Returns the bytes that engine and storage allocate for each one-task occurrence. `file` must not exist yet. */
export async function allocatedBytes(storage: 'memory' | 'sqlite', file: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, program, storage, file])
  return Number(stdout)
}
