import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './repository.mjs'
import { capture } from './run-process.mjs'

/**
 * Calls a function with a copy of the working tree: the files that git tracks, and new files that git does not ignore.
 * The copy has no `node_modules` and no builds, and is removed afterwards.
 * @template T
 * @param {(folder: string) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withWorkspaceCopy(use) {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-copy-'))
  try {
    const { exitCode, output } = await capture('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
    if (exitCode !== 0) throw new Error(`git could not list the files of the working tree:\n${output}`)
    for (const path of output.split('\0').filter((entry) => entry !== '' && existsSync(join(root, entry)))) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      copyFileSync(join(root, path), join(folder, path))
    }
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
