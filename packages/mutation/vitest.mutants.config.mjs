import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * What is mutated is the built code. Packages import one another there anyway; a test that imports its package's sources
 * is led there too.
 * @param {string} specifier @param {string | undefined} importer
 */
function builtModule(specifier, importer) {
  if (importer === undefined || !specifier.startsWith('.')) return null
  const source = resolve(dirname(importer), specifier)
  if (!/\/packages\/[^/]+\/src\//.test(source)) return null
  const built = source.replace('/src/', '/dist/').replace(/\.ts$/, '.js')
  return existsSync(built) ? built : null
}

export default defineConfig({
  root,
  plugins: [{ name: 'built-modules', enforce: 'pre', resolveId: builtModule }],
  test: {
    include: JSON.parse(process.env.JOBISTEMER_MUTATION_TESTS ?? '[]'),
    // They look at the repository's documents and declarations, which no mutant changes.
    exclude: ['**/documents.test.ts', '**/public-api.test.ts', '**/core-api.test.ts', '**/node_modules/**'],
    isolate: false,
    pool: 'threads',
    maxWorkers: 1,
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
})
