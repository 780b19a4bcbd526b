import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const testLimitMs = 400_000

/**
 * What the tests say of a mutant: one fails, all pass, or they come to no end. The last is most often an endless loop,
 * but may be a machine that is too busy, so it is told apart.
 * @typedef {'noticed' | 'survived' | 'timed out'} Verdict
 */

/** A copy of the repository in which one built module at a time is replaced. */
export class Workbench {
  #root = ''

  /**
   * Installed packages are shared: the links between the repository's own packages are relative, and lead into the copy.
   * @param {string} repository
   */
  static async make(repository) {
    const bench = new Workbench()
    bench.#root = await mkdtemp(join(tmpdir(), 'jobistemer-mutation-'))
    for (const name of await readdir(repository)) {
      if (name === '.git') continue
      if (name === 'node_modules') await symlink(join(repository, name), join(bench.#root, name))
      else await cp(join(repository, name), join(bench.#root, name), { recursive: true, verbatimSymlinks: true })
    }
    return bench
  }

  /**
   * Runs the tests with a module replaced, until the first that fails.
   * @param {{ readonly file: string, readonly original: string, readonly mutated: string }} change
   * @param {readonly string[]} tests
   * @returns {Promise<Verdict>}
   */
  async judge({ file, original, mutated }, tests) {
    const target = join(this.#root, file)
    await writeFile(target, mutated)
    try {
      return await this.run(tests)
    } finally {
      await writeFile(target, original)
    }
  }

  /**
   * @param {readonly string[]} tests
   * @returns {Promise<Verdict>}
   */
  async run(tests) {
    const program = join(this.#root, 'node_modules/vitest/vitest.mjs')
    const config = join(this.#root, 'packages/mutation/vitest.mutants.config.mjs')
    const environment = { ...process.env, JOBISTEMER_MUTATION_TESTS: JSON.stringify(tests) }
    try {
      await run(process.execPath, [program, 'run', '--bail', '1', '--config', config], {
        cwd: this.#root,
        env: environment,
        timeout: testLimitMs,
        killSignal: 'SIGKILL',
        maxBuffer: 100 * 1024 * 1024,
      })
      return 'survived'
    } catch (error) {
      return /** @type {{ killed?: boolean }} */ (error).killed === true ? 'timed out' : 'noticed'
    }
  }

  async remove() {
    await rm(this.#root, { recursive: true, force: true })
  }
}
