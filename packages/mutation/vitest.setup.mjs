// Runs before the tests of each file. In the first run, records which mutants' code each test executes. In the run of a
// mutant, skips the tests that do not execute the mutant.
import { appendFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach } from 'vitest'
import { readPlan } from './src/plan.mjs'

/** @typedef {import('node:inspector').Profiler.CoverageRange} CoverageRange */

const { record, only } = readPlan()
if (only !== undefined) {
  const wanted = new Set(only)
  beforeEach((context) => {
    if (!wanted.has(context.task.id)) context.skip()
  })
}
if (record !== undefined) {
  const session = startCoverage()
  const places = record.files.map(({ path, starts }) => ({ url: pathToFileURL(path).href, starts }))
  let startedAt = 0
  beforeEach(() => {
    takeCoverage(session)
    startedAt = performance.now()
  })
  afterEach(({ task }) => {
    const durationMs = performance.now() - startedAt
    const ranges = new Map(takeCoverage(session).map(({ url, functions }) => [url, functions]))
    const reached = places.map(({ url, starts }) => {
      const all = (ranges.get(url) ?? []).flatMap((one) => one.ranges)
      return starts.flatMap((start, index) => (isReached(all, start) ? [index] : []))
    })
    appendFileSync(record.output, `${JSON.stringify({ id: task.id, file: task.file.filepath, durationMs, reached })}\n`)
  })
}

/**
 * Returns the inspector session with precise coverage, which all files of the process share.
 * @returns {Session}
 */
function startCoverage() {
  const key = Symbol.for('jobistemer.mutation.session')
  const shared = /** @type {{ [key]?: Session }} */ (globalThis)
  if (shared[key] !== undefined) return shared[key]
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  shared[key] = session
  return session
}

/**
 * Returns the code that ran since the previous call. The inspector session belongs to the same thread, so `post` calls its
 * callback synchronously.
 * @param {Session} session
 */
function takeCoverage(session) {
  /** @type {import('node:inspector').Profiler.ScriptCoverage[]} */
  let result = []
  session.post('Profiler.takePreciseCoverage', (error, answer) => {
    if (error) throw error
    result = answer.result
  })
  return result
}

/**
 * Returns whether the innermost coverage range around a position was executed.
 * @param {readonly CoverageRange[]} ranges @param {number} place
 */
function isReached(ranges, place) {
  /** @type {CoverageRange | undefined} */
  let innermost
  for (const range of ranges) {
    if (range.startOffset > place || range.endOffset <= place) continue
    const length = range.endOffset - range.startOffset
    if (innermost === undefined || length <= innermost.endOffset - innermost.startOffset) innermost = range
  }
  return innermost !== undefined && innermost.count > 0
}
