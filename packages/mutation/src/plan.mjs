import { readFileSync } from 'node:fs'

/**
 * The plan of one test run. An environment variable names its file.
 * @typedef {object} Plan
 * @property {readonly string[]} include the test files, as patterns
 * @property {number} limitMs the timeout of each test, in ms
 * @property {readonly string[]} [only] the ids of the tests that run; default all
 * @property {{ readonly output: string, readonly files: readonly { readonly path: string, readonly starts: readonly number[] }[] }} [record]
 * the run appends the mutants that each test reaches to the file `output`, one JSON line per test
 */

const variable = 'JOBISTEMER_MUTATION_PLAN'

/**
 * Returns the environment variables of a test run.
 * @param {string} path the file of the plan
 */
export function environmentOf(path) {
  return { ...process.env, [variable]: path }
}

/** @returns {Plan} */
export function readPlan() {
  const path = process.env[variable]
  if (path === undefined) throw new Error(`The environment variable ${variable} is not set.`)
  return JSON.parse(readFileSync(path, 'utf8'))
}
