import { expect, it } from 'vitest'
import { check, complaint } from '../runner/outcome.mjs'
import { runSteps, summary } from '../runner/run-steps.mjs'

const passing = check('good', async () => undefined)
const failing = check('bad', async () => 'what is wrong\nand where')

/**
 * @param {readonly import('../runner/outcome.mjs').Step[]} steps
 * @param {number} concurrency
 */
async function run(steps, concurrency = 1) {
  /** @type {string[]} */
  const printed = []
  const outcomes = await runSteps(steps, { concurrency, print: (text) => printed.push(text) })
  return { outcomes, printed }
}

it('the runner counts each check as one test', async () => {
  const { outcomes } = await run([passing, failing, passing])
  expect(summary(outcomes)).toBe('Failed:\n  bad (1)\n2 passed, 1 failed')
})

it('the runner prints only the sums if no step failed', async () => {
  const { outcomes } = await run([passing])
  expect(summary(outcomes)).toBe('1 passed, 0 failed')
})

it('the runner prints the number of skipped tests only if at least one test was skipped', async () => {
  const { outcomes } = await run([
    { name: 'some', run: async () => ({ passed: 4, failed: 0, skipped: 2, details: '' }) },
  ])
  expect(summary(outcomes)).toBe('4 passed, 0 failed, 2 skipped')
})

it('the runner prints the indented output of a failed step, and no output of a passed step', async () => {
  const { printed } = await run([passing, failing])
  expect(printed[0]).toMatch(/^✓ good: 1 passed \(\d+\.\d s\)$/)
  expect(printed[1]).toMatch(/^✗ bad: 0 passed, 1 failed \(\d+\.\d s\)\n {4}what is wrong\n {4}and where\n$/)
})

it('the runner counts a step that throws as one failure, and runs the remaining steps', async () => {
  const throwing = {
    name: 'broken',
    run: async () => {
      throw new Error('the step itself is broken')
    },
  }
  const { outcomes, printed } = await run([throwing, passing])
  expect(summary(outcomes)).toBe('Failed:\n  broken (1)\n1 passed, 1 failed')
  expect(printed[0]).toContain('the step itself is broken')
})

it('the runner runs `concurrency` steps at once, and returns the outcomes in the order of the steps', async () => {
  /** @type {(() => void)[]} */
  const gates = []
  let running = 0
  let most = 0
  const steps = Array.from({ length: 5 }, (_, index) => ({
    name: `step ${index}`,
    run: async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => {
        gates.push(() => resolve(undefined))
        // Lets the waiting steps end, the newest first, so that steps end in another order than they began.
        if (gates.length === 2 || index === 4) for (const open of gates.splice(0).reverse()) open()
      })
      running -= 1
      return { passed: 1, failed: 0, skipped: 0, details: '' }
    },
  }))
  const { outcomes } = await run(steps, 2)
  expect(most).toBe(2)
  expect(outcomes.map(({ name }) => name)).toEqual(steps.map(({ name }) => name))
})

it.each([
  [{ exitCode: 0, ended: undefined, output: 'all well' }, undefined],
  [{ exitCode: 1, ended: undefined, output: '  a complaint\n' }, 'a complaint'],
  [{ exitCode: 3, ended: undefined, output: '' }, 'exit code 3 without a word'],
  [{ exitCode: 1, ended: 'was killed after 5 s', output: 'half' }, 'half\nThe program was killed after 5 s.'],
])('`complaint` returns, for a program that ended as %j, the text %j', (result, expected) => {
  expect(complaint(result)).toBe(expected)
})
