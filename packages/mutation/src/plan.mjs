import { readFileSync } from 'node:fs'

/**
 * The plan of a run of the tests, which its environment names.
 * @typedef {object} Plan
 * @property {readonly string[]} include the files of tests, as patterns
 * @property {number} limitMs how long each test may take
 * @property {readonly string[]} [only] the ids of the tests that run; default all
 * @property {{ readonly output: string, readonly files: readonly { readonly path: string, readonly starts: readonly number[] }[] }} [record]
 * the run appends the places that each test reaches to this file, one JSON line per test
 */

const variable = 'JOBISTEMER_MUTATION_PLAN'

/** @param {string} path the file of the plan */
export function environmentOf(path) {
  return { ...process.env, [variable]: path }
}

/** @returns {Plan} */
export function readPlan() {
  const path = process.env[variable]
  if (path === undefined) throw new Error(`${variable} is not set.`)
  return JSON.parse(readFileSync(path, 'utf8'))
}
