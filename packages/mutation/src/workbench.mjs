import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { environmentOf } from './plan.mjs'

/** @import { Plan } from './plan.mjs' */

const run = promisify(execFile)

/** Timeout of the first run of all tests, without a mutant, in ms. This run takes 6 minutes on a quiet machine. */
const firstRunMs = 3_600_000
/**
 * Maximum timeout of the tests of one mutant, in ms. Quick tests have a lower timeout: `startingMs` plus `mostTimesAsLong`
 * times their duration without the mutant.
 */
const longestMs = 900_000
const mostTimesAsLong = 10
/** Minimum timeout of one test, in ms. The timeout is long, because the machine may become busy. */
const leastPerTestMs = 20_000
const startingMs = 60_000

/**
 * The verdict of the tests on a mutant: a test fails, all tests pass, or the tests exceed their timeout.
 * @typedef {'noticed' | 'survived' | 'timed out'} Verdict
 */

/**
 * A mutated module: the original and the changed code, and where the change begins.
 * @typedef {object} Change
 * @property {string} file
 * @property {string} original
 * @property {string} mutated
 * @property {number} start
 */

/**
 * A test that executes the code of a mutant.
 * @typedef {object} Reaching
 * @property {string} id
 * @property {string} file
 * @property {number} durationMs
 */

/** A copy of the repository in which one built module at a time is replaced. */
export class Workbench {
  #root = ''
  /** The output of the last test run. */
  #printed = ''

  /**
   * Copies the repository, and shares its installed packages. Links between the repository's own packages are relative,
   * so they stay inside the copy.
   * @param {string} repository
   */
  static async make(repository) {
    const bench = new Workbench()
    bench.#root = await mkdtemp(join(tmpdir(), 'jobistemer-mutation-'))
    for (const name of await readdir(repository)) {
      if (name === '.git') continue
      if (name === 'node_modules') await symlink(join(repository, name), join(bench.#root, name))
      else
        await cp(join(repository, name), join(bench.#root, name), {
          recursive: true,
          verbatimSymlinks: true,
        })
    }
    return bench
  }

  /**
   * Runs all tests on unchanged code, and records which mutants' code each test executes.
   * @param {readonly Change[]} changes
   * @param {readonly string[]} tests
   * @returns {Promise<Map<Change, Reaching[]>>}
   * @throws when a test fails
   */
  async findReaching(changes, tests) {
    const groups = groupByFile(changes)
    const files = [...groups].map(([file, group]) => ({
      path: join(this.#root, file),
      starts: group.map(({ start }) => start),
    }))
    const output = join(this.#root, 'reached.jsonl')
    await writeFile(output, '')
    const verdict = await this.#run({ include: tests, limitMs: longestMs, record: { output, files } }, firstRunMs)
    if (verdict === 'timed out')
      throw new Error(`Without any mutant the tests took longer than ${firstRunMs / 1000} s:\n${this.#printed}`)
    if (verdict === 'noticed') throw new Error(`The tests fail without any mutant:\n${this.#printed}`)
    /** @type {Map<Change, Reaching[]>} */
    const reaching = new Map(changes.map((change) => [change, []]))
    for (const line of (await readFile(output, 'utf8')).trim().split('\n')) {
      const { id, file, durationMs, reached } = JSON.parse(line)
      for (const [index, group] of [...groups.values()].entries()) {
        const test = { id, file: relative(this.#root, file), durationMs }
        for (const place of reached[index]) reaching.get(/** @type {Change} */ (group[place]))?.push(test)
      }
    }
    return reaching
  }

  /**
   * Runs the tests that execute the code of a mutant, fastest files first, until a test fails. If no test executes the code,
   * runs all tests, because the code may run when its module loads.
   * @param {Change} change
   * @param {readonly Reaching[]} reaching
   * @param {readonly string[]} tests
   * @returns {Promise<Verdict>}
   */
  async judge({ file, original, mutated }, reaching, tests) {
    const target = join(this.#root, file)
    await writeFile(target, mutated)
    try {
      if (reaching.length === 0) return await this.#run({ include: tests, limitMs: longestMs }, longestMs)
      /** @type {Map<string, number>} */
      const durations = new Map()
      let sum = 0
      for (const test of reaching) {
        durations.set(test.file, (durations.get(test.file) ?? 0) + test.durationMs)
        sum += test.durationMs
      }
      const include = [...durations].sort(([, left], [, right]) => left - right).map(([name]) => name)
      const longestTestMs = Math.max(...reaching.map(({ durationMs }) => durationMs))
      const limitMs = Math.max(leastPerTestMs, longestTestMs * mostTimesAsLong)
      const only = reaching.map(({ id }) => id)
      return await this.#run({ include, limitMs, only }, Math.min(startingMs + sum * mostTimesAsLong, longestMs))
    } finally {
      await writeFile(target, original)
    }
  }

  /**
   * @param {Plan} plan
   * @param {number} limitMs
   * @returns {Promise<Verdict>}
   */
  async #run(plan, limitMs) {
    const program = join(this.#root, 'node_modules/vitest/vitest.mjs')
    const config = join(this.#root, 'packages/mutation/vitest.mutants.config.mjs')
    const planFile = join(this.#root, 'plan.json')
    await writeFile(planFile, JSON.stringify(plan))
    try {
      await run(process.execPath, [program, 'run', '--bail', '1', '--config', config], {
        cwd: this.#root,
        env: environmentOf(planFile),
        timeout: limitMs,
        killSignal: 'SIGKILL',
        maxBuffer: 100 * 1024 * 1024,
      })
      return 'survived'
    } catch (error) {
      const { killed, stdout, stderr } = /** @type {{ killed?: boolean, stdout?: string, stderr?: string }} */ (error)
      this.#printed = `${stdout ?? ''}${stderr ?? ''}`
      return killed === true ? 'timed out' : 'noticed'
    }
  }

  async remove() {
    await rm(this.#root, { recursive: true, force: true })
  }
}

/** @param {readonly Change[]} changes */
function groupByFile(changes) {
  /** @type {Map<string, Change[]>} */
  const groups = new Map()
  for (const change of changes) groups.set(change.file, [...(groups.get(change.file) ?? []), change])
  return groups
}
