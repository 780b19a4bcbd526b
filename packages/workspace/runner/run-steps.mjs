/** @import { Outcome, Step } from './outcome.mjs' */

/**
 * Runs steps with limited concurrency, and prints a line for each ended step, with the output of a failed step. A step
 * that throws counts as one failure and does not stop other steps.
 * @param {readonly Step[]} steps
 * @param {{ concurrency: number, print?: (text: string) => void }} options
 * @returns {Promise<Outcome[]>} in the order of the steps
 */
export async function runSteps(steps, { concurrency, print = console.log }) {
  /** @type {Outcome[]} */
  const outcomes = []
  const queue = steps.entries()
  const work = async () => {
    for (const [index, step] of queue) {
      const outcome = await runStep(step)
      outcomes[index] = outcome
      print(describe(outcome))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return outcomes
}

/**
 * @param {Step} step
 * @returns {Promise<Outcome>}
 */
async function runStep({ name, run }) {
  const begin = performance.now()
  const result = await run().catch((/** @type {unknown} */ error) => ({
    passed: 0,
    failed: 1,
    skipped: 0,
    details: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }))
  return { name, seconds: (performance.now() - begin) / 1000, ...result }
}

/** @param {Outcome} outcome */
function describe({ name, passed, failed, skipped, seconds, details }) {
  const counts = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`]
  const line = `${failed > 0 ? '✗' : '✓'} ${name}: ${counts.filter(Boolean).join(', ')} (${seconds.toFixed(1)} s)`
  return failed > 0 ? `${line}\n${indent(details)}\n` : line
}

/** @param {string} text */
function indent(text) {
  return text.trimEnd().replace(/^/gm, '    ')
}

/**
 * Returns the closing lines: the names of the failed steps, and the sums.
 * @param {readonly Outcome[]} outcomes
 */
export function summary(outcomes) {
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ field) =>
    outcomes.reduce((total, outcome) => total + outcome[field], 0)
  const failures = outcomes.filter(({ failed }) => failed > 0)
  const skipped = sum('skipped')
  return [
    ...(failures.length > 0 ? ['Failed:', ...failures.map(({ name, failed }) => `  ${name} (${failed})`)] : []),
    `${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  ].join('\n')
}

/**
 * Prints the summary of all steps.
 * @param {readonly Outcome[]} outcomes
 * @returns {number} the exit code
 */
export function conclude(outcomes) {
  console.log(`\n${summary(outcomes)}`)
  return outcomes.some(({ failed }) => failed > 0) ? 1 : 0
}
