import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(new URL('../dist/allocation-process.js', import.meta.url))

// The young generation, in MB. The allocations of one measured round fit into it.
const flags = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128']

/** Bytes that engine and storage allocate per one-task occurrence. `file` does not exist yet. */
export async function allocatedBytes(storage: 'memory' | 'sqlite', file: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, program, storage, file])
  return Number(stdout)
}
