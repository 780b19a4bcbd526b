import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { captureScript } from './pnpm.mjs'
import { judge, readTestReport, reportVariable } from './test-report.mjs'

/** @import { Step } from './outcome.mjs' */
/** @import { WorkspacePackage } from './packages.mjs' */

const longestRunMs = 45 * 60 * 1000

/**
 * The step that runs a package's own `test` script. A script that is one call of `vitest run` gets vitest's JSON
 * reporter added; any other script has to leave its counts in the file that the environment names.
 * @param {WorkspacePackage} workspacePackage
 * @returns {Step}
 */
export function packageTests(workspacePackage) {
  const { name, manifest } = workspacePackage
  const script = manifest.scripts?.test
  return {
    name: `tests of ${name}`,
    run: async () => {
      if (script === undefined)
        return { passed: 0, failed: 1, skipped: 0, details: 'package.json has no `test` script.' }
      const temporary = mkdtempSync(join(tmpdir(), 'jobistemer-test-'))
      try {
        const report = join(temporary, 'report.json')
        const reporters = isVitest(script)
          ? ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
          : []
        const result = await captureScript(workspacePackage, 'test', reporters, {
          env: { CI: 'true', [reportVariable]: report },
          timeoutMs: longestRunMs,
        })
        const { reason, ...counts } = judge(readTestReport(report), result)
        return { ...counts, details: [result.output.trimEnd(), reason].filter(Boolean).join('\n') }
      } finally {
        rmSync(temporary, { recursive: true, force: true })
      }
    },
  }
}

// As measured. A package that is in neither list takes little.
const longest = [
  '@jobistemer/simulator',
  '@jobistemer/storage-dynamodb',
  '@jobistemer/dashboard',
  '@jobistemer/scenarios',
  '@jobistemer/storage-postgres',
  '@jobistemer/storage-conformance',
  '@jobistemer/storage-redis',
  '@jobistemer/storage-sqlite',
  '@jobistemer/cli',
  'level-storage-example',
]

/** These take long too, and wait for most of it: for deadlines, and for processes and servers that start and end. */
const mostlyWaiting = ['@jobistemer/torture', '@jobistemer/benchmarks', '@jobistemer/example-nightly-backup']

/**
 * The packages in the order in which their tests are to begin, so that none begins late and is waited for alone. Those
 * that mostly wait run one after the other beside all others: they leave the processors to those.
 * @param {readonly WorkspacePackage[]} packages
 */
export function inLanes(packages) {
  const ranked = (/** @type {readonly string[]} */ names) =>
    names.flatMap((wanted) => packages.filter(({ name }) => name === wanted))
  const waiting = ranked(mostlyWaiting)
  const long = ranked(longest)
  return { waiting, long, short: packages.filter((one) => !waiting.includes(one) && !long.includes(one)) }
}

/**
 * Whether a package has to have tests: all do, except private tools outside of the examples.
 * @param {Pick<WorkspacePackage, 'publishable' | 'path' | 'manifest'>} workspacePackage
 */
export function needsTests({ publishable, path, manifest }) {
  return publishable || path.startsWith('examples/') || manifest.scripts?.test !== undefined
}

/**
 * Whether a script is one call of vitest, to which reporters can be added.
 * @param {string} script
 */
export function isVitest(script) {
  return /^vitest run\b[^&|;]*$/.test(script)
}
