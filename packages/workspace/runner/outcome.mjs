/**
 * The result of one check or of one package's tests.
 * @typedef {object} Outcome
 * @property {string} name
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {number} seconds
 * @property {string} details the output to show after a failure
 */

/**
 * A step of a run. A failed check or test is in the outcome. If `run` throws, the runner itself has a defect.
 * @typedef {object} Step
 * @property {string} name
 * @property {() => Promise<Omit<Outcome, 'name' | 'seconds'>>} run
 */

/**
 * Returns a step that counts as one test. The step passes if `find` finds no problem.
 * @param {string} name
 * @param {() => Promise<string | undefined>} find resolves to the problem, or to undefined
 * @returns {Step}
 */
export function check(name, find) {
  return {
    name,
    run: async () => {
      const details = await find()
      return details === undefined
        ? { passed: 1, failed: 0, skipped: 0, details: '' }
        : { passed: 0, failed: 1, skipped: 0, details }
    },
  }
}

/**
 * Returns the output of a failed check; undefined after success.
 * @param {{ exitCode: number, ended: string | undefined, output: string }} result
 * @returns {string | undefined}
 */
export function complaint({ exitCode, ended, output }) {
  if (exitCode === 0 && ended === undefined) return undefined
  const text = output.trim()
  if (ended !== undefined) return `${text}\nThe program ${ended}.`.trim()
  return text === '' ? `exit code ${exitCode} without a word` : text
}
