import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'

/** @import { ProseFile } from './find-phrases.mjs' */

/**
 * Returns the Markdown documents and the TypeScript and JavaScript sources of the repository, including new files that
 * git does not track yet.
 * @param {readonly string[]} [paths] files and folders, relative to the repository; default: all
 * @returns {Promise<ProseFile[]>}
 */
export async function proseFiles(paths = []) {
  const listing = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--']
  const { exitCode, output } = await capture('git', [...listing, ...paths])
  if (exitCode !== 0) throw new Error(`git cannot list the files of the repository: ${output}`)
  return output
    .split('\0')
    .filter((path) => /\.(md|[cm]?[jt]s|tsx)$/.test(path))
    .filter((path) => existsSync(join(root, path)) && lstatSync(join(root, path)).isFile())
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

/** Returns whether the file is a document that users or contributors read. @param {ProseFile} file @returns {boolean} */
export function isDocument({ path }) {
  return /^[^/]+\.md$|(^|\/)README\.md$|^packages\/[^/]+\/docs\/.+\.md$/.test(path)
}
