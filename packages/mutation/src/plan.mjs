import { readFileSync } from 'node:fs'

/**
 * What a run of the tests is told through its environment.
 * @typedef {object} Plan
 * @property {readonly string[]} include the files of tests, as patterns
 * @property {number} limitMs how long each test may take
 * @property {readonly string[]} [only] the ids of the tests that run; default all
 * @property {{ readonly output: string, readonly files: readonly { readonly path: string, readonly starts: readonly number[] }[] }} [record]
 * which places each test reaches is appended to this file, a line of JSON for each test
 */

const variable = 'JOBISTEMER_MUTATION_PLAN'

/** @param {string} path where the plan is */
export function environmentOf(path) {
  return { ...process.env, [variable]: path }
}

/** @returns {Plan} */
export function readPlan() {
  const path = process.env[variable]
  if (path === undefined) throw new Error(`${variable} is not set.`)
  return JSON.parse(readFileSync(path, 'utf8'))
}
