import { check } from '../runner/outcome.mjs'
import { capture } from '../runner/run-process.mjs'

/**
 * Returns the step that compares the git status with the status `before`: builds, checks and tests must leave no files.
 * @param {string} before
 */
export function cleanTree(before) {
  return check('nothing left in the git tree', async () => {
    const after = await gitStatus()
    return before === after ? undefined : `git status before:\n${before}\nand after:\n${after}`
  })
}

export async function gitStatus() {
  const { exitCode, output } = await capture('git', ['status', '--porcelain', '--untracked-files=all'])
  return exitCode === 0 ? output : 'not a git checkout'
}
