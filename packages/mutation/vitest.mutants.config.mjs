import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import { readPlan } from './src/plan.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Resolves imports of a package's sources to its built code, because only built code is mutated.
 * @param {string} specifier @param {string | undefined} importer
 */
function builtModule(specifier, importer) {
  if (importer === undefined || !specifier.startsWith('.')) return null
  const source = resolve(dirname(importer), specifier)
  if (!/\/packages\/[^/]+\/src\//.test(source)) return null
  const built = source.replace('/src/', '/dist/').replace(/\.ts$/, '.js')
  return existsSync(built) ? built : null
}

const { include, limitMs, record } = readPlan()

/** Runs test files in the order of the list `include`, which has the fastest files first. */
class AsPlanned extends BaseSequencer {
  /** @override @param {Parameters<BaseSequencer['sort']>[0]} files */
  async sort(files) {
    const places = new Map(include.map((path, index) => [resolve(root, path), index]))
    return files.toSorted((left, right) => (places.get(left.moduleId) ?? 0) - (places.get(right.moduleId) ?? 0))
  }
}

export default defineConfig({
  root,
  plugins: [{ name: 'built-modules', enforce: 'pre', resolveId: builtModule }],
  test: {
    include: [...include],
    setupFiles: [fileURLToPath(new URL('vitest.setup.mjs', import.meta.url))],
    sequence: { sequencer: AsPlanned },
    // Vitest must not transform built code, because mutants are located by their position in that code.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
    // Excluded tests: they read the repository's documents and declarations, which no mutant changes.
    exclude: ['**/documents.test.ts', '**/public-api.test.ts', '**/core-api.test.ts', '**/node_modules/**'],
    // The smallest effort of the conformance kit: a quarter of the rounds, and one seed.
    env: { JOBISTEMER_CONFORMANCE_SCALE: '0.25', JOBISTEMER_CONFORMANCE_SEED: '1' },
    isolate: false,
    pool: 'threads',
    maxWorkers: 1,
    testTimeout: limitMs,
    hookTimeout: limitMs,
    // In the first run, which has no mutant, a test fails only because the machine is busy. So this run repeats a failed test
    // up to two times.
    retry: record === undefined ? 0 : 2,
  },
})
