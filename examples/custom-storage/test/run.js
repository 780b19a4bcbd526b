import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

// Runs every test file of this folder with the test runner of Node.js. If `JOBISTEMER_TEST_REPORT` names a file, this
// program writes the numbers of passed and failed tests to that file. The command that tests all packages reads the
// file.

// The environment variable `JOBISTEMER_TEST_EFFORT` determines the amount of work and the seeds of the conformance kit.
// If the user has set `JOBISTEMER_CONFORMANCE_SCALE` or `JOBISTEMER_CONFORMANCE_SEED`, this program keeps that value.
const effort = Number(process.env.JOBISTEMER_TEST_EFFORT ?? 1)
process.env.JOBISTEMER_CONFORMANCE_SCALE ??= String(effort > 1 ? effort / 4 : 0.1)
process.env.JOBISTEMER_CONFORMANCE_SEED ??= [1, 2, 3].slice(0, Math.max(1, effort)).join(',')

const folder = import.meta.dirname
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.test.js'))
  .map((name) => join(folder, name))

let passed = 0
let failed = 0

const events = run({ files, concurrency: 1 })
events.on('test:pass', (event) => {
  if (isTest(event)) passed += 1
})
events.on('test:fail', (event) => {
  if (isTest(event)) failed += 1
})
events.compose(new spec()).pipe(process.stdout)
events.on('end', () => {
  const report = process.env.JOBISTEMER_TEST_REPORT
  if (report !== undefined) writeFileSync(report, JSON.stringify({ passed, failed }))
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
})

/**
 * Returns whether an event of the test runner counts as a test. Test cases count. A file counts only if it fails outside
 * of its tests.
 * @param {any} event
 */
function isTest({ name, details, nesting }) {
  if (nesting === 0 && files.includes(name)) return details.error !== undefined
  return details.type !== 'suite'
}
