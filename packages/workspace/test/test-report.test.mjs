import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { isVitest, longestFirst, needsTests } from '../runner/package-tests.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { judge, readTestReport } from '../runner/test-report.mjs'

/** @param {string | object} content */
function reportFile(content) {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-report-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'report.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

const fine = { exitCode: 0, ended: undefined }

it('readTestReport accepts a report with only the numbers of passed and failed tests, and then counts 0 skipped tests', () => {
  expect(readTestReport(reportFile({ passed: 3, failed: 1 }))).toEqual({ passed: 3, failed: 1, skipped: 0 })
})

it.each([
  '',
  '{',
  '[]',
  'null',
  '{}',
  '{"passed":-1,"failed":0}',
  '{"passed":1.5,"failed":0}',
  '{"passed":"1","failed":0}',
])('readTestReport rejects the report %j', (content) => {
  expect(readTestReport(reportFile(content))).toBeUndefined()
})

it('readTestReport returns undefined for a file that does not exist', () => {
  expect(readTestReport(join(tmpdir(), 'jobistemer-no-such-report.json'))).toBeUndefined()
})

it('readTestReport counts the tests of a vitest report by their status', () => {
  const assertionResults = ['passed', 'passed', 'failed', 'skipped', 'todo', 'pending'].map((status) => ({ status }))
  expect(readTestReport(reportFile({ testResults: [{ status: 'failed', assertionResults }] }))).toEqual({
    passed: 2,
    failed: 1,
    skipped: 3,
  })
})

it('readTestReport counts a file that fails outside of its tests as one failure', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'failed', assertionResults: [{ status: 'passed' }] },
  ]
  expect(readTestReport(reportFile({ testResults }))).toEqual({ passed: 1, failed: 2, skipped: 0 })
})

it('judge accepts a test run with passed tests and exit code 0', () => {
  expect(judge({ passed: 2, failed: 0, skipped: 0 }, fine)).toEqual({
    passed: 2,
    failed: 0,
    skipped: 0,
    reason: undefined,
  })
})

it('judge counts a test run without a report as one failure', () => {
  expect(judge(undefined, fine)).toMatchObject({ passed: 0, failed: 1, reason: 'The test run left no report.' })
})

it('judge counts a test run without a test as one failure', () => {
  expect(judge({ passed: 0, failed: 0, skipped: 4 }, fine)).toMatchObject({
    failed: 1,
    reason: 'The test run ran no test.',
  })
})

it('judge reports that a run had no test, whatever its exit code', () => {
  const none = { passed: 0, failed: 0, skipped: 0 }
  expect(judge(none, { exitCode: 1, ended: undefined })).toMatchObject({
    failed: 1,
    reason: 'The test run ran no test.',
  })
})

it('judge counts one failure if no failed test explains the exit code of a test run', () => {
  expect(judge({ passed: 5, failed: 0, skipped: 0 }, { exitCode: 7, ended: undefined })).toMatchObject({
    passed: 5,
    failed: 1,
    reason: 'The test run ended with exit code 7 although no test failed.',
  })
})

it('judge counts a test run that was killed as one failure', () => {
  expect(judge(undefined, { exitCode: 1, ended: 'was ended by SIGSEGV' })).toMatchObject({
    failed: 1,
    reason: 'The test run was ended by SIGSEGV.',
  })
})

it('judge adds no failure to the failures that the tests report', () => {
  expect(judge({ passed: 1, failed: 2, skipped: 0 }, { exitCode: 1, ended: undefined })).toMatchObject({ failed: 2 })
})

it.each([
  ['vitest run', true],
  ['vitest run --config other.ts', true],
  ['vitest', false],
  ['vitest run && node more.mjs', false],
  ['node --test', false],
])('isVitest returns for the package script %j the value %s', (script, expected) => {
  expect(isVitest(script)).toBe(expected)
})

it('needsTests requires tests of published packages and of examples, and of other packages only if these have tests', () => {
  const untested = { scripts: {} }
  expect(needsTests({ publishable: true, path: 'packages/any', manifest: untested })).toBe(true)
  expect(needsTests({ publishable: false, path: 'examples/any', manifest: untested })).toBe(true)
  expect(needsTests({ publishable: false, path: 'packages/any', manifest: untested })).toBe(false)
  expect(needsTests({ publishable: false, path: 'packages/any', manifest: { scripts: { test: 'vitest run' } } })).toBe(
    true,
  )
})

it('longestFirst sorts the packages with long tests before the remaining packages, and omits none of the packages', () => {
  const packages = workspacePackages()
  const { long, short } = longestFirst(packages)
  expect(long[0]?.name).toBe('@jobistemer/scenarios')
  expect(long).toHaveLength(15)
  const names = [...long, ...short].map(({ name }) => name)
  expect(names.sort()).toEqual(packages.map(({ name }) => name).sort())
})
