import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { captureScript } from './pnpm.mjs'
import { judge, readTestReport, reportVariable } from './test-report.mjs'

/** @import { Step } from './outcome.mjs' */
/** @import { WorkspacePackage } from './packages.mjs' */

// Time limit for the tests of one package, in ms. `npm run test:extra` has more effort, and thus more time.
const longestRunMs = 45 * 60 * 1000 * Math.max(1, Number(process.env.JOBISTEMER_TEST_EFFORT) || 1)

/**
 * Returns the step that runs a package's own `test` script. If the script is a single call of `vitest run`, adds
 * vitest's JSON reporter. Any other script must write its counts to the file that the environment names.
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

// Packages with long tests, the longest first. They begin before all other packages, so that no long test runs alone at
// the end.
const longest = [
  '@jobistemer/scenarios',
  '@jobistemer/storage-dynamodb',
  '@jobistemer/storage-postgres',
  '@jobistemer/dashboard',
  '@jobistemer/storage-redis',
  '@jobistemer/storage-sqlite',
  '@jobistemer/cli',
  '@jobistemer/torture',
  '@jobistemer/simulator',
  '@jobistemer/storage-conformance',
  '@jobistemer/benchmarks',
  '@jobistemer/example-nightly-backup',
  'level-storage-example',
  '@jobistemer/site',
  '@jobistemer/test-servers',
]

/**
 * Sorts the packages with long tests before all other packages.
 * @param {readonly WorkspacePackage[]} packages
 */
export function longestFirst(packages) {
  const long = longest.flatMap((wanted) => packages.filter(({ name }) => name === wanted))
  return { long, short: packages.filter((one) => !long.includes(one)) }
}

/**
 * Returns whether a package must have tests. Only private tools outside of the examples need none.
 * @param {Pick<WorkspacePackage, 'publishable' | 'path' | 'manifest'>} workspacePackage
 */
export function needsTests({ publishable, path, manifest }) {
  return publishable || path.startsWith('examples/') || manifest.scripts?.test !== undefined
}

/**
 * Returns whether a script is a single call of vitest, to which reporters can be added.
 * @param {string} script
 */
export function isVitest(script) {
  return /^vitest run\b[^&|;]*$/.test(script)
}
