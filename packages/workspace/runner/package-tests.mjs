import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capturePnpm } from './pnpm.mjs'
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
export function packageTests({ name, folder, manifest }) {
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
        const result = await capturePnpm(['--silent', 'run', 'test', ...reporters], {
          cwd: folder,
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

// As measured. A package that is not here takes little.
const longest = [
  '@jobistemer/storage-dynamodb',
  '@jobistemer/storage-redis',
  '@jobistemer/dashboard',
  '@jobistemer/simulator',
  '@jobistemer/scenarios',
  '@jobistemer/torture',
  '@jobistemer/storage-conformance',
  '@jobistemer/benchmarks',
  '@jobistemer/example-nightly-backup',
  '@jobistemer/storage-sqlite',
]

/**
 * The packages whose tests take long, the longest first, and the others: when they run side by side, none begins late and
 * is waited for alone.
 * @param {readonly WorkspacePackage[]} packages
 */
export function longestFirst(packages) {
  const rank = (/** @type {WorkspacePackage} */ { name }) => longest.indexOf(name)
  return {
    long: packages.filter((one) => rank(one) >= 0).sort((one, other) => rank(one) - rank(other)),
    short: packages.filter((one) => rank(one) < 0),
  }
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
