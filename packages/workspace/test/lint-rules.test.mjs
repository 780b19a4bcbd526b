import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { root } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'

const biome = createRequire(join(root, 'package.json')).resolve('@biomejs/biome/bin/biome')

/**
 * Lints files with this repository's settings.
 * @param {Record<string, string>} files path → content
 * @returns {Promise<string[]>} the rules that found something, each once
 */
async function lint(files) {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-lint-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  const settings = join('packages', 'workspace')
  for (const name of ['biome.json', 'lint']) {
    cpSync(join(root, settings, name), join(folder, settings, name), { recursive: true })
  }
  const { exitCode, output } = await capture(
    process.execPath,
    [biome, 'lint', `--config-path=${settings}`, '--reporter=github', '.'],
    {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1' },
    },
  )
  const rules = [...output.matchAll(/^::error title=(?:lint\/\w+\/)?(\w+)/gm)].map(([, rule]) => String(rule))
  // Biome's exit code is 0 only if Biome has linted at least one file and has found nothing.
  expect(exitCode).toBe(rules.length > 0 ? 1 : 0)
  return [...new Set(rules)].sort()
}

const clockSources = [
  ['setTimeout(task, 5)', 'noRestrictedGlobals'],
  ['setInterval(task, 5)', 'noRestrictedGlobals'],
  ['setImmediate(task)', 'noRestrictedGlobals'],
  ['globalThis.setTimeout(task, 5)', 'noJsRestrictedProperties'],
  ['task(Date.now())', 'noJsRestrictedProperties'],
  ['task(Math.random())', 'noJsRestrictedProperties'],
  ['const { floor, random } = Math; task(floor(random()))', 'noJsRestrictedProperties'],
  ['task(performance.now())', 'noJsRestrictedProperties'],
  ['task(process.hrtime.bigint())', 'noJsRestrictedProperties'],
  ['task(new Date())', 'plugin'],
  ['task(new Date)', 'plugin'],
  ['task(Date())', 'plugin'],
]

/** @param {string} statement */
const moduleWith = (statement) => `declare const task: (...values: unknown[]) => void\n${statement}\nexport {}\n`

describe('the lint rules for time and randomness', () => {
  it.each(clockSources)('reject %s in a package', async (statement, rule) => {
    expect(await lint({ 'packages/any/src/some-file.ts': moduleWith(statement) })).toEqual([rule])
  })

  it('reject an import of timers in a package', async () => {
    const importing = "import { setTimeout } from 'node:timers/promises'\nawait setTimeout(5)\n"
    expect(await lint({ 'packages/any/src/some-file.ts': importing })).toEqual(['noRestrictedImports'])
  })

  it('allow every source of time or randomness in the system clock, in tests, benchmarks and examples', async () => {
    const everything = moduleWith(clockSources.map(([statement]) => `{ ${statement} }`).join('\n'))
    const places = [
      'packages/core/src/system-clock.ts',
      'packages/any/test/some.test.ts',
      'packages/benchmarks/src/measure.ts',
      'packages/test-servers/src/wait.ts',
      'examples/any/src/main.ts',
    ]
    expect(await lint(Object.fromEntries(places.map((path) => [path, everything])))).toEqual([])
  })

  it('allow constant dates and arithmetic', async () => {
    const statement = "task(new Date(5), Date.UTC(2026), Date.parse('2026-01-01'), Math.max(1, 2))"
    expect(await lint({ 'packages/any/src/some-file.ts': moduleWith(statement) })).toEqual([])
  })
})

describe('the lint rules for modules', () => {
  it('reject default exports, except in configuration files', async () => {
    const content = 'export default { setting: 1 }\n'
    expect(await lint({ 'packages/any/src/settings.ts': content })).toEqual(['noDefaultExport'])
    expect(await lint({ 'packages/any/vitest.config.ts': content })).toEqual([])
  })

  it('reject unused imports and variables', async () => {
    const content = "import { join } from 'node:path'\nconst unused = 1\nexport {}\n"
    expect(await lint({ 'packages/any/src/some-file.ts': content })).toEqual(['noUnusedImports', 'noUnusedVariables'])
  })

  it('reject an import of a type as a value', async () => {
    const files = {
      'packages/any/src/one.ts': "import { Two } from './two.ts'\nexport const one = (two: Two): Two => two\n",
      'packages/any/src/two.ts': 'export interface Two {\n  readonly two: 2\n}\n',
    }
    expect(await lint(files)).toEqual(['useImportType'])
  })
})

it('the lint rules reject tests with skip or only', async () => {
  const content = "import { it } from 'vitest'\nit.skip('one', () => {})\nit.only('two', () => {})\n"
  expect(await lint({ 'packages/any/test/some.test.ts': content })).toEqual(['noFocusedTests', 'noSkippedTests'])
})
