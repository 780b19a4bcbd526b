import { existsSync, readFileSync } from 'node:fs'

/**
 * @typedef {object} TestCounts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/** The environment variable that names the file to which a package's `test` script writes its counts. */
export const reportVariable = 'JOBISTEMER_TEST_REPORT'

/**
 * Reads the report of a test run: either vitest's JSON report or `{ "passed": n, "failed": n, "skipped"?: n }`.
 * @param {string} file
 * @returns {TestCounts | undefined} undefined if there is no valid report
 */
export function readTestReport(file) {
  if (!existsSync(file)) return undefined
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'))
    return Array.isArray(report.testResults) ? countVitest(report) : countPlain(report)
  } catch {
    return undefined
  }
}

/** @param {any} report */
function countPlain({ passed, failed, skipped = 0 }) {
  return [passed, failed, skipped].every((count) => Number.isSafeInteger(count) && count >= 0)
    ? { passed, failed, skipped }
    : undefined
}

/**
 * Counts the tests in vitest's report. A file that fails outside of any test (a wrong import, a hook) counts as one
 * failure.
 * @param {any} report
 */
function countVitest(report) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const { status: fileStatus, assertionResults } of report.testResults) {
    let failedHere = 0
    for (const { status } of assertionResults) {
      if (status === 'passed') counts.passed += 1
      else if (status === 'failed') failedHere += 1
      else counts.skipped += 1
    }
    counts.failed += fileStatus === 'failed' ? Math.max(failedHere, 1) : failedHere
  }
  return counts
}

/**
 * Decides from the report whether a test run passed. Adds a failure in three cases: the run did not end by itself, it
 * ran no test, or the counts do not explain its exit code.
 * @param {TestCounts | undefined} report
 * @param {{ exitCode: number, ended: string | undefined }} process
 * @returns {TestCounts & { reason: string | undefined }} the reason for a failure that no test reports
 */
export function judge(report, { exitCode, ended }) {
  const counts = report ?? { passed: 0, failed: 0, skipped: 0 }
  if (counts.failed > 0) return { ...counts, reason: undefined }
  const reason =
    ended !== undefined
      ? `The test run ${ended}.`
      : report?.passed === 0
        ? 'The test run ran no test.'
        : exitCode !== 0
          ? `The test run ended with exit code ${exitCode} although no test failed.`
          : report === undefined
            ? 'The test run left no report.'
            : undefined
  return reason === undefined ? { ...counts, reason } : { ...counts, failed: 1, reason }
}
